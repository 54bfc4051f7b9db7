"""What the use cases need: Stripe, and the stores of accounts, events and requests."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from msaas.billing.domain.accounts import Account, AccountState
from msaas.billing.domain.catalogue import PriceList
from msaas.billing.domain.invoices import Invoice
from msaas.billing.domain.stripe_events import EventSource, EventState
from msaas.billing.domain.subscriptions import Subscription
from msaas.contracts import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """`user_id` is what we have written into the customer's metadata."""

    id: str
    user_id: UUID | None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedPage:
    """A page of Stripe that the user is sent to."""

    object_id: str
    url: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterErrorReport:
    """The meter events that Stripe refused after it had accepted them, with Stripe's codes."""

    codes: Mapping[str, int]
    identifiers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeEvent:
    """A row of the inbox."""

    id: str
    type: str
    created: datetime
    livemode: bool
    api_version: str | None = None
    is_thin: bool = False
    object_id: str | None = None
    customer_id: str | None = None
    payload: Mapping[str, Any] | None = None
    source: EventSource = EventSource.WEBHOOK
    state: EventState = EventState.RECEIVED
    attempts: int = 0
    correlation_id: str = ""
    traceparent: str | None = None


class Payments(Protocol):
    """Stripe; every method raises StripeUnavailable or StripeRefused."""

    async def list_subscriptions(
        self, customer_id: str, prices: PriceList
    ) -> Sequence[Subscription]: ...

    async def find_customer(self, customer_id: str) -> Customer | None: ...

    async def create_customer(self, user_id: UUID, key: str) -> str: ...

    async def get_invoice(self, invoice_id: str) -> Invoice | None: ...

    async def find_customer_of_charge(self, charge_id: str) -> str | None: ...

    async def get_meter_errors(self, event_id: str) -> MeterErrorReport: ...

    def list_events(self, since: datetime, types: Sequence[str]) -> AsyncIterator[StripeEvent]: ...

    async def open_checkout(
        self,
        account: Account,
        plan: Plan,
        prices: PriceList,
        return_url: str,
        key: str,
        *,
        trial_days: int = 0,
    ) -> HostedPage: ...

    async def expire_checkouts(self, customer_id: str, keep: str) -> None:
        """End the open checkouts of a customer, but not the one that was opened with the key."""
        ...

    async def open_portal(
        self, customer_id: str, configuration_id: str, return_url: str, key: str
    ) -> HostedPage: ...

    async def upgrade(
        self, subscription: Subscription, plan: Plan, prices: PriceList, key: str
    ) -> None: ...

    async def schedule_downgrade(
        self, subscription: Subscription, plan: Plan, prices: PriceList, key: str
    ) -> None: ...

    async def release_schedule(self, schedule_id: str, key: str) -> None: ...

    async def set_cancellation(
        self, subscription_id: str, key: str, *, at_period_end: bool
    ) -> None: ...


class Accounts(Protocol):
    """The store of accounts and their subscriptions."""

    async def next_version(self) -> int:
        """Draw the number of a fetch, before it begins."""
        ...

    async def get_prices(self) -> PriceList: ...

    async def find_portal_configuration(self) -> str | None:
        """Return None before the catalogue is set up."""
        ...

    async def ensure(self, user_id: UUID) -> Account | None:
        """Return the user's account, created where it is missing; None for an unknown user."""
        ...

    async def find(
        self, *, user_id: UUID | None = None, customer_id: str | None = None
    ) -> Account | None: ...

    async def link_customer(self, account_id: UUID, customer_id: str) -> Account:
        """Store the customer's id unless there is one, and return the account."""
        ...

    async def list_subscriptions(self, account_id: UUID) -> Sequence[Subscription]: ...

    async def list_due(self, limit: int) -> Sequence[UUID]:
        """List the users whose plan may have changed by time alone."""
        ...

    async def list_page(self, after: UUID | None, limit: int) -> Sequence[Account]: ...

    async def store_fetch(self, fetch: "AccountFetch") -> Account:
        """Store a fetch, and the events that led to it as applied, in one transaction.

        Of two fetches the one that began later wins, whichever is stored first.
        """
        ...


class DecideState(Protocol):
    def __call__(
        self, before: AccountState, subscriptions: Sequence[Subscription], now: datetime
    ) -> AccountState: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFetch:
    """What a fetch has found; `version` was drawn before it began."""

    account_id: UUID
    version: int
    subscriptions: Sequence[Subscription]
    decide: DecideState
    invoices: Sequence[Invoice] = ()
    event_ids: Sequence[str] = ()
    is_disputed: bool = False
    is_customer_deleted: bool = False


class Inbox(Protocol):
    """The events of Stripe, each stored once for ever."""

    async def store(self, events: Sequence[StripeEvent]) -> Sequence[str]:
        """Store events, and return the ids of those that are new."""
        ...

    async def find(self, event_ids: Sequence[str]) -> Sequence[StripeEvent]: ...

    async def finish(self, event_id: str, state: EventState, outcome: str) -> None: ...

    async def postpone(self, event_id: str, error: str, delay: float) -> None: ...

    async def reopen(self, event_id: str) -> bool: ...

    async def list_due(self, limit: int) -> Sequence[StripeEvent]: ...

    async def list_unknown(self, event_ids: Sequence[str]) -> Sequence[str]: ...

    async def claim_step(self, name: str, seconds: float) -> bool:
        """Claim a periodic step for all replicas; a claim ends after that many seconds."""
        ...

    async def reject_reports(self, errors: Mapping[str, str]) -> None:
        """Mark the meter reports that Stripe refused, by identifier, with Stripe's code."""
        ...

    async def get_now(self) -> datetime: ...

    async def get_watermark(self, name: str) -> datetime | None: ...

    async def set_watermark(self, name: str, reached: datetime) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that is begun: `stripe_key` is the same in every repeat of it."""

    id: UUID
    stripe_key: str
    answer: Mapping[str, Any] | None


class Requests(Protocol):
    """The requests of users that call Stripe, each begun once for its Idempotency-Key."""

    async def begin(
        self, account: Account, kind: str, idempotency_key: str, fingerprint: bytes
    ) -> Request:
        """Begin or find the request; raise IdempotencyMismatch where the key was used otherwise."""
        ...

    async def finish(
        self, request_id: UUID, answer: Mapping[str, Any], object_id: str | None
    ) -> None: ...

    async def free(self, request_id: UUID) -> None:
        """Give the next attempt another key at Stripe, after Stripe has refused this one."""
        ...

    async def set_spend_limit(
        self, account: Account, request_id: UUID, amount: int | None, answer: Mapping[str, Any]
    ) -> None:
        """Store limit and answer in one transaction."""
        ...
