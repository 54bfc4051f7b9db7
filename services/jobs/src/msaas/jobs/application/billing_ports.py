"""Billing events, and what applying them locks and changes in the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from msaas.contracts import SubscriptionChanged, UsageReconciled, UsageReported
from msaas.jobs.application.events import AccountSnapshot
from msaas.jobs.application.transactions import Store
from msaas.jobs.domain.ledgers import Ledger, LedgerEntry, LinkedEntry
from msaas.kernel import derive_id


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingEvent:
    """A message of billing with its correlation and trace; `key` identifies it for ever."""

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
    """The users (created where missing), subjects and periods that a batch of events locks.

    `keys` are looked up among the entries of earlier events.
    """

    users: set[UUID]
    subjects: set[UUID]
    periods: set[tuple[UUID, datetime]]
    keys: set[str]


@dataclass(slots=True, kw_only=True)
class LedgerBatch:
    """The locked ledgers; `entries_by_key` holds the stored entries and `new_entries` too."""

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


BillingStore = Store[BillingLockRequest, LedgerBatch, LedgerBatch, Mapping[UUID, AccountSnapshot]]
"""Storing returns the account of each affected subject."""
