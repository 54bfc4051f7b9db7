"""Applies billing events: plans and periods, reports and corrections, each once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final
from uuid import UUID

from msaas.contracts import SubscriptionChanged, UsageReconciled, UsageReported
from msaas.jobs.application.billing_ports import (
    BillingEvent,
    BillingLockRequest,
    BillingStore,
    LedgerBatch,
)
from msaas.jobs.application.events import AccountSnapshot, build_usage_noted
from msaas.jobs.domain.errors import SubjectNotFound
from msaas.jobs.domain.ledgers import Ledger, LedgerEntry, LedgerEntryKind
from msaas.jobs.domain.subjects import BillingSubject
from msaas.messaging import OutgoingMessage
from msaas.telemetry import Metrics, get_logger

_ENTRY_KINDS: Final = {
    UsageReported: LedgerEntryKind.USAGE_REPORTED,
    UsageReconciled: LedgerEntryKind.ADJUSTED,
}


class BillingOutcome(StrEnum):
    APPLIED = "applied"
    ALREADY_APPLIED = "known"  # it was applied before, or a newer change was
    USER_GONE = "no_subject"  # its user was erased


class ApplyBilling:
    """A repeated event changes nothing, and the present state is published again."""

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
        async with self._store.begin() as transaction:
            ledgers = await transaction.lock(_build_lock_request(events))
            outcomes = [_apply_event(ledgers, event) for event in events]
            accounts = await transaction.store(ledgers)
        for event, outcome in zip(events, outcomes, strict=True):
            self._log_outcome(event, outcome)
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
    messages = [event.message for event in events]
    usage = [message for message in messages if not isinstance(message, SubscriptionChanged)]
    return BillingLockRequest(
        users={change.user_id for change in messages if isinstance(change, SubscriptionChanged)},
        subjects={message.subject_id for message in usage},
        periods={
            (message.subject_id, message.period_start)
            for message in usage
            if isinstance(message, UsageReconciled)
        },
        keys={event.key for event in events},
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
    """Publish the present state, whether it changed or not; each account once."""
    unpublished = dict(accounts)
    for event in {event.key: event for event in events}.values():
        ledger = _find_ledger(ledgers, event)
        if ledger and (account := unpublished.pop(ledger.id, None)):
            yield account.to_event(event.correlation_id, event.traceparent)
        if entry := ledgers.entries_by_key.get(event.key):
            yield build_usage_noted(entry, event.correlation_id, event.traceparent)
