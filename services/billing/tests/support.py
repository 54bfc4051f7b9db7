"""A user with a customer at the Stripe stand-in, and what a test asks of both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from stripe import StripeClient
from stripe_support import RunningStripe

from msaas.billing.adapters.stripe.events import read_event
from msaas.billing.application.apply_stripe_events import ApplyStripeEvents
from msaas.billing.application.manage_subscription import ManageSubscription
from msaas.billing.application.ports import StripeEvent
from msaas.billing.bootstrap import Parts
from msaas.billing.domain.accounts import Account
from msaas.billing.domain.stripe_events import EventSource
from msaas.contracts import ChangePlan, OpenCheckout, Plan, SubscriptionChanged

RETURN_URL = "https://app.example.com/billing"


@dataclass(frozen=True, kw_only=True)
class Billing:
    """The use cases of one process on a real database, and the stand-in that they call."""

    parts: Parts
    apply: ApplyStripeEvents
    manage: ManageSubscription
    rows: asyncpg.Connection
    stripe: RunningStripe
    sdk: StripeClient

    async def add_user(self) -> UUID:
        user_id = uuid4()
        sql = "INSERT INTO identity.users (id, email) VALUES ($1, $2)"
        await self.rows.execute(sql, user_id, f"{user_id}@example.com")
        return user_id

    async def get_account(self, user_id: UUID) -> Account:
        account = await self.parts.accounts.find(user_id=user_id)
        assert account is not None
        return account

    async def open_checkout(
        self, user_id: UUID, plan: Plan, key: str | None = None
    ) -> Mapping[str, Any]:
        command = OpenCheckout(
            user_id=user_id, plan=plan, idempotency_key=key or uuid4().hex, return_url=RETURN_URL
        )
        return (await self.manage.open_checkout(command)).data

    async def change_plan(self, user_id: UUID, plan: Plan) -> Mapping[str, Any]:
        command = ChangePlan(user_id=user_id, plan=plan, idempotency_key=uuid4().hex)
        return (await self.manage.change_plan(command)).data

    def build_change(self, account: Account) -> SubscriptionChanged:
        change = self.parts.refresh.build_change(account, datetime.now(UTC))
        assert change is not None
        return change

    async def subscribe(self, user_id: UUID, plan: Plan = Plan.PRO) -> Account:
        """Go through checkout as a user does, and apply the events that it causes."""
        await self.open_checkout(user_id, plan)
        await self.complete_checkout(user_id)
        await self.apply_all(user_id)
        return await self.get_account(user_id)

    async def complete_checkout(self, user_id: UUID) -> None:
        """Pay at the stand-in, as a person does on its page."""
        session_id = await self.rows.fetchval(
            "SELECT stripe_object_id FROM billing.requests WHERE user_id = $1 AND kind = 'checkout'"
            " ORDER BY created_at DESC",
            user_id,
        )
        self.stripe.control("complete-checkout", session=session_id)

    def list_events(self, customer_id: str) -> list[StripeEvent]:
        """List the events of a customer, the oldest first."""
        return [event for event in self.list_all_events() if event.customer_id == customer_id]

    def list_all_events(self) -> list[StripeEvent]:
        listed = self.sdk.v1.events.list({"limit": 100}).auto_paging_iter()
        found = [read_event(each.to_dict(), EventSource.WEBHOOK) for each in listed]
        return [event for event in found if event is not None][::-1]

    async def apply_all(self, user_id: UUID) -> None:
        account = await self.get_account(user_id)
        await self.receive(self.list_events(str(account.customer_id)))

    async def receive(self, events: Sequence[StripeEvent]) -> None:
        """Store and apply events, as the messages of their webhooks do."""
        if events:
            await self.parts.inbox.store(list({event.id: event for event in events}.values()))
            await self.apply([event.id for event in events])

    async def describe_events(self, user_id: UUID) -> dict[str, int]:
        """Count the events of a user by their state."""
        account = await self.get_account(user_id)
        rows = await self.rows.fetch(
            "SELECT state, count(*) AS n FROM billing.stripe_events WHERE stripe_customer_id = $1"
            " GROUP BY state",
            account.customer_id,
        )
        return {row["state"]: row["n"] for row in rows}


MakeBilling = Callable[[Parts], Billing]
