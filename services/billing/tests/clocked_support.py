"""A subscriber at the stand-in whose time is a test clock's."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.billing.tests.metering_support import Ledger, Metering
from services.billing.tests.support import Billing

from msaas.billing.application.preview_invoice import Preview, PreviewInvoice
from msaas.billing.domain.catalogue import PriceKind
from msaas.contracts import Plan

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@dataclass
class ClockedUser:
    """A subscriber whose time is a test clock's."""

    metering: Metering
    user_id: UUID
    customer_id: str
    subscription_id: str
    clock_id: str
    now: datetime
    ledger: Ledger

    @property
    def billing(self) -> Billing:
        return self.metering.billing

    async def advance_to(self, at: datetime) -> None:
        params: Any = {"frozen_time": int(at.timestamp())}
        self.billing.sdk.v1.test_helpers.test_clocks.advance(self.clock_id, params)
        self.now = at
        await self.billing.apply_all(self.user_id)

    async def use(self, jobs: int, plan: Plan = Plan.PRO) -> None:
        events = self.ledger.add_many(jobs, plan=plan, at=self.now - MINUTE)
        await self.metering.take_and_report(self.ledger, events)

    async def preview(self, plan: Plan | None = None) -> Preview:
        preview = PreviewInvoice(self.billing.parts.metering.billables)
        return await preview(self.user_id, plan, self.now if plan else None)

    async def read_last_total(self) -> int:
        params: Any = {"customer": self.customer_id, "limit": 1}
        page = self.billing.sdk.v1.invoices.list(params)
        assert page.data[0].status == "paid"
        return page.data[0].total

    async def end_period(self, preview: Preview) -> int:
        """Advance past the period's end and the hour in which late usage counts."""
        assert preview.due_at is not None
        await self.advance_to(preview.due_at + 2 * HOUR)
        return await self.read_last_total()


async def subscribe(metering: Metering, start: datetime, trial_days: int = 0) -> ClockedUser:
    billing = metering.billing
    user_id = await billing.add_user()
    prices = await billing.parts.accounts.get_prices()
    clock: Any = {"frozen_time": int(start.timestamp())}
    clock_id = billing.sdk.v1.test_helpers.test_clocks.create(clock).id
    customer: Any = {
        "test_clock": clock_id,
        "payment_method": "pm_card_visa",
        "invoice_settings": {"default_payment_method": "pm_card_visa"},
        "metadata": {"user_id": str(user_id)},
    }
    customer_id = billing.sdk.v1.customers.create(customer).id
    account = await billing.parts.accounts.ensure(user_id)
    assert account is not None
    await billing.parts.accounts.link_customer(account.id, customer_id)
    offered = [prices.find_offered(Plan.PRO, kind) for kind in PriceKind]
    subscription: Any = {
        "customer": customer_id,
        "items": [{"price": price.id} for price in offered if price],
    }
    if trial_days:
        subscription["trial_end"] = int((start + trial_days * DAY).timestamp())
    created = billing.sdk.v1.subscriptions.create(subscription)
    await billing.apply_all(user_id)
    ledger = Ledger(user_id=user_id)
    return ClockedUser(metering, user_id, customer_id, created.id, clock_id, start, ledger)
