"""What applying billing's facts needs of the record, and what it holds meanwhile."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msaas.contracts import (
    AccountChanged,
    AccountFrame,
    SubscriptionChanged,
    UsageReconciled,
    UsageReported,
)
from msaas.jobs.domain.ledger_entries import LedgerEntry, LinkedEntry
from msaas.jobs.domain.ledgers import Ledger
from msaas.kernel import derive_id
from msaas.messaging import OutgoingMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingEvent:
    """What billing told, and in whose trace; `key` is its own for ever."""

    message: SubscriptionChanged | UsageReported | UsageReconciled
    correlation_id: str
    traceparent: str | None = None

    @property
    def key(self) -> str:
        message = self.message
        if isinstance(message, SubscriptionChanged) and message.stripe_event_id is None:
            return f"subscription:{derive_id(message.user_id, message.version)}"
        return str(message.stripe_event_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingLockRequest:
    """What facts need to have locked: users, minted where missing, subjects, and some periods.

    `keys` are looked up among all that was noted before.
    """

    users: set[UUID]
    subjects: set[UUID]
    periods: set[tuple[UUID, datetime]]
    keys: set[str]


@dataclass(slots=True, kw_only=True)
class LedgerBatch:
    """`noted` has what was in the record before and what joins it; `remarks` is what joins it."""

    now: datetime
    by_subject: Mapping[UUID, Ledger]
    by_user: Mapping[UUID, Ledger]
    entries_by_key: dict[str, LinkedEntry]
    new_entries: list[tuple[LedgerEntry, LinkedEntry]] = field(
        default_factory=list[tuple[LedgerEntry, LinkedEntry]]
    )
    affected: set[UUID] = field(default_factory=set[UUID])

    def append(self, ledger: Ledger, entry: LedgerEntry) -> None:
        linked = ledger.append(entry, self.now)
        self.entries_by_key[entry.key] = linked
        self.new_entries.append((entry, linked))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """A user's plan and quota as the record has them."""

    user_id: UUID
    version: int
    account: AccountFrame

    def to_event(self, correlation_id: str, traceparent: str | None = None) -> OutgoingMessage:
        """Announce it under an id of its version: whoever publishes it again says the same."""
        return OutgoingMessage(
            message=AccountChanged(
                user_id=self.user_id, version=self.version, account=self.account
            ),
            topic="jobs.events",
            id=derive_id(self.user_id, self.version),
            correlation_id=correlation_id,
            traceparent=traceparent,
        )


class BillingTransaction(Protocol):
    async def lock(self, request: BillingLockRequest) -> LedgerBatch:
        """Mint and lock subjects, sorted by id."""
        ...

    async def store(self, ledgers: LedgerBatch) -> Mapping[UUID, AccountSnapshot]:
        """Write what changed; answer the account of each subject that was touched."""
        ...


class BillingStore(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[BillingTransaction]:
        """Commit where the context ends well."""
        ...
