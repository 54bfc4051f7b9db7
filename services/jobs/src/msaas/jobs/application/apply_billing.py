"""Applying what billing tells: plans and periods, reports and corrections, each once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final
from uuid import UUID

from msaas.contracts import SubscriptionChanged, UsageReconciled, UsageReported
from msaas.jobs.application.billing_ports import (
    AccountSnapshot,
    BillingRecord,
    Fact,
    Ledgers,
    Wanted,
)
from msaas.jobs.application.usage_facts import noted
from msaas.jobs.domain.errors import SubjectUnknown
from msaas.jobs.domain.ledgers import Ledger
from msaas.jobs.domain.noting import NoteKind, Remark
from msaas.jobs.domain.subjects import Subject
from msaas.messaging import Outgoing
from msaas.telemetry import Metrics, get_logger

_NOTES: Final = {
    UsageReported: NoteKind.USAGE_REPORTED,
    UsageReconciled: NoteKind.ADJUSTED,
}


class Outcome(StrEnum):
    APPLIED = "applied"
    KNOWN = "known"  # it came before, or something newer did
    NOBODY = "nobody"  # its user has gone


class ApplyBilling:
    """Whoever tells a fact again is told the present state, and changes nothing."""

    def __init__(
        self, record: BillingRecord, metrics: Metrics, *, on_room: Callable[[], None]
    ) -> None:
        self._record = record
        self._on_room = on_room
        self._log = get_logger()
        self._told = metrics.counter(
            "msaas_billing_facts_total", "Facts that billing told.", ("kind", "outcome")
        )

    async def __call__(self, facts: Sequence[Fact]) -> list[Outgoing]:
        async with self._record.transaction() as transaction:
            ledgers = await transaction.lock(_wanted_by(facts))
            outcomes = [_take(ledgers, fact) for fact in facts]
            accounts = await transaction.store(ledgers)
        for fact, outcome in zip(facts, outcomes, strict=True):
            self._say(fact, outcome)
        if accounts:
            self._on_room()  # a higher plan has more slots
        return list(_announce(facts, ledgers, accounts))

    def _say(self, fact: Fact, outcome: Outcome) -> None:
        kind = fact.message.type_name()
        self._told.labels(kind, outcome).inc()
        log = self._log.bind(correlation_id=fact.correlation_id, fact=kind, outcome=outcome)
        match fact.message:
            case SubscriptionChanged() as change:
                log.info("billing_fact_taken", plan=change.plan, version=change.version)
            case usage:
                subject = str(usage.subject_id)
                log.info("billing_fact_taken", subject_id=subject, quantity=usage.quantity)


def _wanted_by(facts: Sequence[Fact]) -> Wanted:
    changes = [one.message for one in facts if isinstance(one.message, SubscriptionChanged)]
    usage = [one.message for one in facts if not isinstance(one.message, SubscriptionChanged)]
    return Wanted(
        users={one.user_id for one in changes},
        subjects={one.subject_id for one in usage},
        periods={
            (one.subject_id, one.period_start) for one in usage if isinstance(one, UsageReconciled)
        },
        keys={fact.key for fact in facts},
    )


def _take(ledgers: Ledgers, fact: Fact) -> Outcome:
    ledger = _find_ledger(ledgers, fact)
    if ledger is None:
        return Outcome.NOBODY
    match fact.message:
        case SubscriptionChanged() as change:
            return _change_plan(ledgers, ledger, fact.key, change)
        case usage:
            return _note_usage(ledgers, ledger, usage)


def _find_ledger(ledgers: Ledgers, fact: Fact) -> Ledger | None:
    match fact.message:
        case SubscriptionChanged(user_id=user_id):
            return ledgers.by_user.get(user_id)
        case usage if usage.subject_id in ledgers.by_subject:
            return ledgers.by_subject[usage.subject_id]
        case _:
            raise SubjectUnknown


def _change_plan(
    ledgers: Ledgers, ledger: Ledger, key: str, change: SubscriptionChanged
) -> Outcome:
    before = ledger.subject
    ledgers.touched.add(ledger.id)
    if not ledger.apply(change, ledgers.now):
        return Outcome.KNOWN
    after = ledger.subject
    if _plans_of(before) != _plans_of(after) and key not in ledgers.noted:
        remark = Remark(
            kind=NoteKind.PLAN_CHANGED,
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
        ledgers.note(ledger, remark)
    return Outcome.APPLIED


def _plans_of(subject: Subject) -> tuple[str, str | None]:
    return subject.plan, subject.next_plan


def _note_usage(
    ledgers: Ledgers, ledger: Ledger, usage: UsageReported | UsageReconciled
) -> Outcome:
    if isinstance(usage, UsageReconciled):
        ledgers.touched.add(ledger.id)
    if usage.stripe_event_id in ledgers.noted:
        return Outcome.KNOWN
    if isinstance(usage, UsageReconciled):
        ledger.correct(usage)
        details = {"reason": usage.reason, "reconciled_at": usage.reconciled_at.isoformat()}
    else:
        details = {"head": usage.head, "reported_at": usage.reported_at.isoformat()}
    remark = Remark(
        kind=_NOTES[type(usage)],
        key=usage.stripe_event_id,
        quantity=usage.quantity,
        period_start=usage.period_start,
        details=details,
    )
    ledgers.note(ledger, remark)
    return Outcome.APPLIED


def _announce(
    facts: Sequence[Fact], ledgers: Ledgers, accounts: Mapping[UUID, AccountSnapshot]
) -> Iterator[Outgoing]:
    """Tell what is, whether it changed or was told before; of each account once."""
    untold = dict(accounts)
    for fact in {fact.key: fact for fact in facts}.values():
        ledger = _find_ledger(ledgers, fact)
        if ledger and (account := untold.pop(ledger.id, None)):
            yield account.changed(fact.correlation_id, fact.traceparent)
        if note := ledgers.noted.get(fact.key):
            yield noted(note, fact.correlation_id, fact.traceparent)
