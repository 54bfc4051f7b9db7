"""Stripe as the port `Payments`: reads and changes, each with a durable idempotency key."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from msaas.billing.adapters.stripe.client import StripeClient
from msaas.billing.adapters.stripe.events import read_event, read_meter_errors
from msaas.billing.adapters.stripe.objects import (
    read_id,
    read_invoice,
    read_list,
    read_map,
    read_subscription,
    read_time,
)
from msaas.billing.application.ports import Customer, HostedPage, MeterErrorReport, StripeEvent
from msaas.billing.domain.accounts import Account
from msaas.billing.domain.catalogue import Price, PriceKind, PriceList
from msaas.billing.domain.errors import CatalogueMissing, StripeObjectMissing, StripeRefused
from msaas.billing.domain.invoices import Invoice
from msaas.billing.domain.stripe_events import EventSource
from msaas.billing.domain.subscriptions import Subscription
from msaas.contracts import Plan

PAGE_SIZE: Final = 100
USER_ID: Final = "user_id"
"""The key of the customer's metadata that names our user."""

REQUEST: Final = "request"
"""The key of a checkout's metadata that names the request which opened it."""


class StripePayments:
    def __init__(self, client: StripeClient) -> None:
        self._client = client
        self._v1 = client.sdk.v1

    async def list_subscriptions(
        self, customer_id: str, prices: PriceList
    ) -> Sequence[Subscription]:
        pages = self._pages(
            "list_subscriptions",
            self._v1.subscriptions.list_async,
            {"customer": customer_id, "status": "all", "expand": ["data.schedule"]},
        )
        found = [read_subscription(each, prices) async for each in pages]
        return [subscription for subscription in found if subscription is not None]

    async def find_customer(self, customer_id: str) -> Customer | None:
        try:
            customer = await self._client.call(
                "get_customer", lambda: self._v1.customers.retrieve_async(customer_id)
            )
        except StripeObjectMissing:
            return None
        found = customer.to_dict()
        return Customer(
            id=customer_id,
            user_id=_read_uuid(read_map(found.get("metadata")).get(USER_ID)),
            is_deleted=found.get("deleted") is True,
        )

    async def create_customer(self, user_id: UUID, key: str) -> str:
        """Create a customer that holds no personal data: Checkout collects what Stripe needs."""
        customer = await self._client.call(
            "create_customer",
            lambda: self._v1.customers.create_async(
                {"metadata": {USER_ID: str(user_id)}}, {"idempotency_key": key}
            ),
        )
        return customer.id

    async def get_invoice(self, invoice_id: str) -> Invoice | None:
        try:
            found = await self._client.call(
                "get_invoice", lambda: self._v1.invoices.retrieve_async(invoice_id)
            )
        except StripeObjectMissing:
            return None
        invoice = found.to_dict()
        if read_map(invoice.get("lines")).get("has_more"):
            list_page = partial(self._v1.invoices.line_items.list_async, invoice_id)
            lines = self._pages("list_invoice_lines", list_page, {})
            invoice["lines"] = [line async for line in lines]
        return read_invoice(invoice)

    async def find_customer_of_charge(self, charge_id: str) -> str | None:
        try:
            charge = await self._client.call(
                "get_charge", lambda: self._v1.charges.retrieve_async(charge_id)
            )
        except StripeObjectMissing:
            return None
        return read_id(charge.to_dict().get("customer"))

    async def get_meter_errors(self, event_id: str) -> MeterErrorReport:
        event = await self._client.call(
            "get_thin_event", lambda: self._client.sdk.v2.core.events.retrieve_async(event_id)
        )
        return read_meter_errors(event.to_dict())

    async def list_events(
        self, since: datetime, types: Sequence[str]
    ) -> AsyncIterator[StripeEvent]:
        """List the events of these types, at most 20, from the newest to the oldest."""
        params = {"types": list(types), "created": {"gte": int(since.timestamp())}}
        async for each in self._pages("list_events", self._v1.events.list_async, params):
            if event := read_event(each, EventSource.BACKFILL):
                yield event

    async def open_checkout(
        self,
        account: Account,
        plan: Plan,
        prices: PriceList,
        return_url: str,
        key: str,
        *,
        trial_days: int = 0,
    ) -> HostedPage:
        separator = "&" if "?" in return_url else "?"
        trial = {"trial_period_days": trial_days} if trial_days else {}
        params: dict[str, Any] = {
            "mode": "subscription",
            "customer": account.customer_id,
            "client_reference_id": str(account.user_id),
            "line_items": [
                {"price": _offered(prices, plan, PriceKind.FLAT).id, "quantity": 1},
                {"price": _offered(prices, plan, PriceKind.METERED).id},
            ],
            "subscription_data": {"metadata": {USER_ID: str(account.user_id)}, **trial},
            "metadata": {REQUEST: key},
            "success_url": f"{return_url}{separator}checkout=completed",
            "cancel_url": f"{return_url}{separator}checkout=cancelled",
        }
        session = await self._client.call(
            "open_checkout",
            lambda: self._v1.checkout.sessions.create_async(params, {"idempotency_key": key}),  # pyright: ignore[reportArgumentType]  # a TypedDict
        )
        found = session.to_dict()
        return HostedPage(
            object_id=session.id,
            url=str(found.get("url")),
            expires_at=read_time(found.get("expires_at")),
        )

    async def expire_checkouts(self, customer_id: str, keep: str) -> None:
        params = {"customer": customer_id, "status": "open"}
        sessions = self._v1.checkout.sessions
        async for session in self._pages("list_checkouts", sessions.list_async, params):
            if read_map(session.get("metadata")).get(REQUEST) == keep:
                continue
            session_id = str(session["id"])
            with suppress(StripeRefused):  # it was completed, or has expired, meanwhile
                await self._client.call(
                    "expire_checkout",
                    lambda session_id=session_id: sessions.expire_async(session_id),
                )

    async def open_portal(
        self, customer_id: str, configuration_id: str, return_url: str, key: str
    ) -> HostedPage:
        session = await self._client.call(
            "open_portal",
            lambda: self._v1.billing_portal.sessions.create_async(
                {
                    "customer": customer_id,
                    "configuration": configuration_id,
                    "return_url": return_url,
                },
                {"idempotency_key": key},
            ),
        )
        return HostedPage(object_id=session.id, url=session.url)

    async def upgrade(
        self, subscription: Subscription, plan: Plan, prices: PriceList, key: str
    ) -> None:
        """Change the plan now; a payment that fails leaves the subscription as it was."""
        if subscription.schedule_id:
            await self.release_schedule(subscription.schedule_id, f"{key}:release")
        params: dict[str, Any] = {
            "items": _list_items(subscription, plan, prices),
            "proration_behavior": "always_invoice",
            "payment_behavior": "error_if_incomplete",
            "cancel_at_period_end": False,
        }
        await self._client.call(
            "upgrade",
            lambda: self._v1.subscriptions.update_async(
                subscription.id,
                params,  # pyright: ignore[reportArgumentType]  # a TypedDict
                {"idempotency_key": key},
            ),
        )

    async def schedule_downgrade(
        self, subscription: Subscription, plan: Plan, prices: PriceList, key: str
    ) -> None:
        """Let the present phase end with its period, and a phase with the lower plan follow."""
        schedule_id = subscription.schedule_id
        if subscription.plan_after_period is Plan.FREE:
            await self.set_cancellation(subscription.id, f"{key}:keep", at_period_end=False)
        if schedule_id is None:
            created = await self._client.call(
                "create_schedule",
                lambda: self._v1.subscription_schedules.create_async(
                    {"from_subscription": subscription.id}, {"idempotency_key": f"{key}:create"}
                ),
            )
            schedule_id = created.id
        found = await self._client.call(
            "get_schedule",
            lambda: self._v1.subscription_schedules.retrieve_async(schedule_id),
        )
        now = read_list(found.to_dict().get("phases"))[0]
        params: dict[str, Any] = {
            "end_behavior": "release",
            "phases": [
                {
                    "items": [_phase_item(each) for each in read_list(now.get("items"))],
                    "start_date": now["start_date"],
                    "end_date": now["end_date"],
                },
                {
                    "items": [
                        {"price": _offered(prices, plan, PriceKind.FLAT).id, "quantity": 1},
                        {"price": _offered(prices, plan, PriceKind.METERED).id},
                    ],
                    "proration_behavior": "none",
                    "duration": {"interval": "month", "interval_count": 1},
                },
            ],
        }
        await self._client.call(
            "schedule_downgrade",
            lambda: self._v1.subscription_schedules.update_async(
                schedule_id,
                params,  # pyright: ignore[reportArgumentType]  # a TypedDict
                {"idempotency_key": f"{key}:phases"},
            ),
        )

    async def release_schedule(self, schedule_id: str, key: str) -> None:
        await self._client.call(
            "release_schedule",
            lambda: self._v1.subscription_schedules.release_async(
                schedule_id, {}, {"idempotency_key": key}
            ),
        )

    async def set_cancellation(
        self, subscription_id: str, key: str, *, at_period_end: bool
    ) -> None:
        await self._client.call(
            "set_cancellation",
            lambda: self._v1.subscriptions.update_async(
                subscription_id,
                {"cancel_at_period_end": at_period_end},
                {"idempotency_key": key},
            ),
        )

    async def _pages(
        self, operation: str, list_page: Any, params: dict[str, Any]
    ) -> AsyncIterator[dict[str, Any]]:
        """Follow the pages of a list, each with its own call."""
        cursor: dict[str, Any] = {}
        while True:
            page_params = {**params, "limit": PAGE_SIZE, **cursor}
            page = await self._client.call(
                operation, lambda page_params=page_params: list_page(page_params)
            )
            found = page.to_dict()
            items = read_list(found)
            for item in items:
                yield dict(item)
            if not found.get("has_more") or not items:
                return
            cursor = {"starting_after": items[-1]["id"]}


def _offered(prices: PriceList, plan: Plan, kind: PriceKind) -> Price:
    price = prices.find_offered(plan, kind)
    if price is None:
        raise CatalogueMissing
    return price


def _list_items(subscription: Subscription, plan: Plan, prices: PriceList) -> list[dict[str, Any]]:
    """Give each item of the subscription the plan's price, and add the items that it lacks."""
    flat: dict[str, Any] = {"price": _offered(prices, plan, PriceKind.FLAT).id, "quantity": 1}
    metered: dict[str, Any] = {"price": _offered(prices, plan, PriceKind.METERED).id}
    if subscription.flat_item_id:
        flat["id"] = subscription.flat_item_id
    if subscription.metered_item_id:
        metered["id"] = subscription.metered_item_id
    return [flat, metered]


def _phase_item(item: Any) -> dict[str, Any]:
    copied: dict[str, Any] = {"price": read_id(item.get("price"))}
    if item.get("quantity") is not None:
        copied["quantity"] = item["quantity"]
    return copied


def _read_uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
