"""What is sold: the meter, the prices of each plan, and how they are named at Stripe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msaas.contracts import Plan

CURRENCY: Final = "usd"
INTERVAL: Final = "month"
METER_EVENT_NAME: Final = "msaas_completed_jobs"
METER_NAME: Final = "Completed jobs"
PRODUCTS: Final[Mapping[Plan, str]] = {Plan.PRO: "PRO", Plan.ENTERPRISE: "ENTERPRISE"}


class PriceKind(StrEnum):
    FLAT = "flat"
    METERED = "metered"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceDefinition:
    """`amount` is in the smallest unit of the currency, for a period or for a job.

    The price of a version never changes: another amount is another version.
    """

    plan: Plan
    kind: PriceKind
    amount: Decimal
    version: int = 1

    @property
    def lookup_key(self) -> str:
        return f"msaas_{self.plan.lower()}_{self.kind}_{self.version}"


PRICES: Final[Sequence[PriceDefinition]] = (
    PriceDefinition(plan=Plan.PRO, kind=PriceKind.FLAT, amount=Decimal(2_000)),
    PriceDefinition(plan=Plan.PRO, kind=PriceKind.METERED, amount=Decimal("0.5")),
    PriceDefinition(plan=Plan.ENTERPRISE, kind=PriceKind.FLAT, amount=Decimal(50_000)),
    PriceDefinition(plan=Plan.ENTERPRISE, kind=PriceKind.METERED, amount=Decimal("0.2")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A price as Stripe has it, in `billing.prices`."""

    id: str
    plan: Plan
    kind: PriceKind
    lookup_key: str
    product_id: str
    currency: str
    unit_amount: Decimal
    interval: str
    meter_id: str | None
    is_offered: bool


@dataclass(frozen=True, slots=True)
class PriceList:
    """All prices that were ever offered: old subscriptions keep theirs."""

    prices: Mapping[str, Price]

    def find(self, price_id: str | None) -> Price | None:
        return self.prices.get(price_id) if price_id else None

    def find_offered(self, plan: Plan, kind: PriceKind) -> Price | None:
        return next(
            (
                price
                for price in self.prices.values()
                if (price.plan, price.kind, price.is_offered) == (plan, kind, True)
            ),
            None,
        )
