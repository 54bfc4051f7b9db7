"""Makes or verifies at Stripe what is sold: again it changes nothing, and never a live price."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from msaas.billing.domain.catalogue import PRICES, PRODUCTS, Price, PriceDefinition, PriceKind
from msaas.contracts import Plan


class Finding(StrEnum):
    SAME = "="
    CREATED = "+"
    MISSING = "?"  # a dry run would create it
    CHANGED = "~"
    DIFFERS = "!"  # an operator decides


@dataclass(frozen=True, slots=True)
class Line:
    finding: Finding
    what: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.finding} {self.what}{f': {self.detail}' if self.detail else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """`secret` is known only to who has just created the endpoint."""

    id: str
    api_version: str | None
    types: frozenset[str]
    secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueRow:
    meter_id: str
    portal_configuration_id: str
    webhook_endpoint_id: str


class StripeCatalogue(Protocol):
    async def find_meter(self) -> str | None: ...
    async def create_meter(self) -> str: ...
    async def has_product(self, product_id: str) -> bool: ...
    async def create_product(self, product_id: str, name: str) -> None: ...
    async def find_price(self, definition: PriceDefinition) -> Price | None: ...
    async def create_price(
        self, definition: PriceDefinition, product_id: str, meter_id: str | None
    ) -> Price: ...
    async def find_portal(self) -> str | None: ...
    async def create_portal(self) -> str: ...
    async def find_endpoint(self, url: str) -> WebhookEndpoint | None: ...
    async def create_endpoint(self, url: str) -> WebhookEndpoint: ...
    async def change_endpoint(self, endpoint_id: str) -> None: ...


class CatalogueStore(Protocol):
    async def store(self, prices: Sequence[Price], row: CatalogueRow) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUpResult:
    lines: Sequence[Line]
    secret: str | None = None

    @property
    def is_complete(self) -> bool:
        return not any(line.finding in {Finding.DIFFERS, Finding.MISSING} for line in self.lines)


class SetUpCatalogue:
    """With `is_dry_run` it only reports; else what is missing is created and stored."""

    def __init__(
        self,
        stripe: StripeCatalogue,
        store: CatalogueStore,
        *,
        webhook_url: str,
        api_version: str,
        types: frozenset[str],
        is_dry_run: bool = False,
    ) -> None:
        self._stripe = stripe
        self._store = store
        self._webhook_url = webhook_url
        self._api_version = api_version
        self._types = types
        self._is_dry_run = is_dry_run
        self._lines: list[Line] = []

    async def __call__(self) -> SetUpResult:
        self._lines = []
        meter_id = await self._set_up_meter()
        for plan in PRODUCTS:
            await self._set_up_product(plan)
        found = [await self._set_up_price(each, meter_id) for each in PRICES]
        portal_id = await self._set_up_portal()
        endpoint = await self._set_up_endpoint()
        prices = [price for price in found if price is not None]
        is_whole = len(prices) == len(found) and not self._is_dry_run
        if is_whole and meter_id and portal_id and endpoint:
            row = CatalogueRow(
                meter_id=meter_id,
                portal_configuration_id=portal_id,
                webhook_endpoint_id=endpoint.id,
            )
            await self._store.store(prices, row)
        return SetUpResult(lines=self._lines, secret=endpoint.secret if endpoint else None)

    def _report(self, finding: Finding, what: str, detail: str = "") -> None:
        self._lines.append(Line(finding, what, detail))

    async def _set_up_meter(self) -> str | None:
        found = await self._stripe.find_meter()
        if found or self._is_dry_run:
            self._report(Finding.SAME if found else Finding.MISSING, "meter")
            return found
        created = await self._stripe.create_meter()
        self._report(Finding.CREATED, "meter", created)
        return created

    async def _set_up_product(self, plan: Plan) -> None:
        product_id = get_product_id(plan)
        if await self._stripe.has_product(product_id):
            self._report(Finding.SAME, f"product {product_id}")
        elif self._is_dry_run:
            self._report(Finding.MISSING, f"product {product_id}")
        else:
            await self._stripe.create_product(product_id, PRODUCTS[plan])
            self._report(Finding.CREATED, f"product {product_id}")

    async def _set_up_price(self, each: PriceDefinition, meter_id: str | None) -> Price | None:
        what = f"price {each.lookup_key}"
        found = await self._stripe.find_price(each)
        if found is not None:
            difference = compare(each, found, meter_id)
            self._report(Finding.DIFFERS if difference else Finding.SAME, what, difference)
            return None if difference else found
        if self._is_dry_run:
            self._report(Finding.MISSING, what)
            return None
        meter = meter_id if each.kind is PriceKind.METERED else None
        created = await self._stripe.create_price(each, get_product_id(each.plan), meter)
        self._report(Finding.CREATED, what, created.id)
        return created

    async def _set_up_portal(self) -> str | None:
        found = await self._stripe.find_portal()
        if found or self._is_dry_run:
            self._report(Finding.SAME if found else Finding.MISSING, "portal configuration")
            return found
        created = await self._stripe.create_portal()
        self._report(Finding.CREATED, "portal configuration", created)
        return created

    async def _set_up_endpoint(self) -> WebhookEndpoint | None:
        what = f"webhook endpoint {self._webhook_url}"
        found = await self._stripe.find_endpoint(self._webhook_url)
        if found is None:
            if self._is_dry_run:
                self._report(Finding.MISSING, what)
                return None
            created = await self._stripe.create_endpoint(self._webhook_url)
            self._report(Finding.CREATED, what, self._api_version)
            return created
        if found.api_version != self._api_version:
            detail = f"version {found.api_version}, which never changes: create another endpoint"
            self._report(Finding.DIFFERS, what, detail)
            return None
        if found.types == self._types:
            self._report(Finding.SAME, what)
            return found
        missing = ", ".join(sorted(self._types - found.types)) or "none missing"
        if self._is_dry_run:
            self._report(Finding.MISSING, what, missing)
            return None
        await self._stripe.change_endpoint(found.id)
        self._report(Finding.CHANGED, what, missing)
        return found


def get_product_id(plan: Plan) -> str:
    return f"msaas_{plan.lower()}"


def compare(definition: PriceDefinition, price: Price, meter_id: str | None) -> str:
    """Describe how a price differs from its definition; empty where it does not."""
    expected: dict[str, tuple[Decimal | str | None, Decimal | str | None]] = {
        "amount": (definition.amount, price.unit_amount),
        "product": (get_product_id(definition.plan), price.product_id),
        "meter": (meter_id if definition.kind is PriceKind.METERED else None, price.meter_id),
    }
    differing = [
        f"{name} is {actual}, not {defined}"
        for name, (defined, actual) in expected.items()
        if defined != actual
    ]
    hint = ["raise the version of the definition"] if differing else []
    return "; ".join(differing + hint)
