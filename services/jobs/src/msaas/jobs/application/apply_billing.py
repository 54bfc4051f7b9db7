"""Applying what billing tells: plans and periods, reports and corrections, each once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final
from uuid import UUID

from msaas.contracts import SubscriptionChanged, UsageReconciled, UsageReported
from msaas.jobs.application.billing_ports import (
    AccountSnapshot,
    BillingEvent,
    BillingLockRequest,
    BillingStore,
    LedgerBatch,
)
from msaas.jobs.application.usage_messages import build_usage_noted
from msaas.jobs.domain.errors import SubjectNotFound
from msaas.jobs.domain.ledger_entries import LedgerEntry, LedgerEntryKind
from msaas.jobs.domain.ledgers import Ledger
from msaas.jobs.domain.subjects import BillingSubject
from msaas.messaging import OutgoingMessage
from msaas.telemetry import Metrics, get_logger

_ENTRY_KINDS: Final = {
    UsageReported: LedgerEntryKind.USAGE_REPORTED,
    UsageReconciled: LedgerEntryKind.ADJUSTED,
}


class BillingOutcome(StrEnum):
    APPLIED = "applied"
    ALREADY_APPLIED = "known"  # it came before, or something newer did
    USER_GONE = "nobody"  # its user has gone


class ApplyBilling:
    """Whoever tells a fact again is told the present state, and changes nothing."""

    def __init__(
        self, store: BillingStore, metrics: Metrics, *, request_dispatch: Callable[[], None]
    ) -> None:
        self._store = store
        self._request_dispatch = request_dispatch
        self._log = get_logger()
        self._events_total = metrics.counter(
            "msaas_billing_events_total", "Billing events handled.", ("kind", "outcome")
        )

    async def __call__(self, events: Sequence[BillingEvent]) -> list[OutgoingMessage]:
        async with self._store.transaction() as transaction:
            ledgers = await transaction.lock(_build_lock_request(events))
            outcomes = [_apply_event(ledgers, fact) for fact in events]
            accounts = await transaction.store(ledgers)
        for fact, outcome in zip(events, outcomes, strict=True):
            self._log_outcome(fact, outcome)
        if accounts:
            self._request_dispatch()  # a higher plan has more slots
        return list(_build_messages(events, ledgers, accounts))

    def _log_outcome(self, event: BillingEvent, outcome: BillingOutcome) -> None:
        kind = event.message.type_name()
        self._events_total.labels(kind, outcome).inc()
        log = self._log.bind(correlation_id=event.correlation_id, event_type=kind, outcome=outcome)
        match event.message:
            case SubscriptionChanged() as change:
                log.info("billing_event_handled", plan=change.plan, version=change.version)
            case usage:
                subject = str(usage.subject_id)
                log.info("billing_event_handled", subject_id=subject, quantity=usage.quantity)


def _build_lock_request(events: Sequence[BillingEvent]) -> BillingLockRequest:
    changes = [one.message for one in events if isinstance(one.message, SubscriptionChanged)]
    usage = [one.message for one in events if not isinstance(one.message, SubscriptionChanged)]
    return BillingLockRequest(
        users={one.user_id for one in changes},
        subjects={one.subject_id for one in usage},
        periods={
            (one.subject_id, one.period_start) for one in usage if isinstance(one, UsageReconciled)
        },
        keys={fact.key for fact in events},
    )


def _apply_event(ledgers: LedgerBatch, event: BillingEvent) -> BillingOutcome:
    ledger = _find_ledger(ledgers, event)
    if ledger is None:
        return BillingOutcome.USER_GONE
    match event.message:
        case SubscriptionChanged() as change:
            return _change_plan(ledgers, ledger, event.key, change)
        case usage:
            return _record_usage(ledgers, ledger, usage)


def _find_ledger(ledgers: LedgerBatch, event: BillingEvent) -> Ledger | None:
    match event.message:
        case SubscriptionChanged(user_id=user_id):
            return ledgers.by_user.get(user_id)
        case usage if usage.subject_id in ledgers.by_subject:
            return ledgers.by_subject[usage.subject_id]
        case _:
            raise SubjectNotFound


def _change_plan(
    ledgers: LedgerBatch, ledger: Ledger, key: str, change: SubscriptionChanged
) -> BillingOutcome:
    before = ledger.subject
    ledgers.affected.add(ledger.id)
    if not ledger.apply(change, ledgers.now):
        return BillingOutcome.ALREADY_APPLIED
    after = ledger.subject
    if _plans_of(before) != _plans_of(after) and key not in ledgers.entries_by_key:
        entry = LedgerEntry(
            kind=LedgerEntryKind.PLAN_CHANGED,
            key=key,
            period_start=after.period.start,
            details={
                "from": before.plan,
                "plan": after.plan,
                "next_plan": after.next_plan,
                "status": change.status,
                "version": str(change.version),
            },
        )
        ledgers.append(ledger, entry)
    return BillingOutcome.APPLIED


def _plans_of(subject: BillingSubject) -> tuple[str, str | None]:
    return subject.plan, subject.next_plan


def _record_usage(
    ledgers: LedgerBatch, ledger: Ledger, usage: UsageReported | UsageReconciled
) -> BillingOutcome:
    if isinstance(usage, UsageReconciled):
        ledgers.affected.add(ledger.id)
    if usage.stripe_event_id in ledgers.entries_by_key:
        return BillingOutcome.ALREADY_APPLIED
    if isinstance(usage, UsageReconciled):
        ledger.correct(usage)
        details = {"reason": usage.reason, "reconciled_at": usage.reconciled_at.isoformat()}
    else:
        details = {"head": usage.head, "reported_at": usage.reported_at.isoformat()}
    entry = LedgerEntry(
        kind=_ENTRY_KINDS[type(usage)],
        key=usage.stripe_event_id,
        quantity=usage.quantity,
        period_start=usage.period_start,
        details=details,
    )
    ledgers.append(ledger, entry)
    return BillingOutcome.APPLIED


def _build_messages(
    events: Sequence[BillingEvent], ledgers: LedgerBatch, accounts: Mapping[UUID, AccountSnapshot]
) -> Iterator[OutgoingMessage]:
    """Tell what is, whether it changed or was told before; of each account once."""
    unannounced = dict(accounts)
    for fact in {fact.key: fact for fact in events}.values():
        ledger = _find_ledger(ledgers, fact)
        if ledger and (account := unannounced.pop(ledger.id, None)):
            yield account.to_event(fact.correlation_id, fact.traceparent)
        if note := ledgers.entries_by_key.get(fact.key):
            yield build_usage_noted(note, fact.correlation_id, fact.traceparent)
