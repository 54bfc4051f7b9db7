"""Persists a batch of reports: merges them by run, decides once for each job, writes once."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from msaas.contracts import TASKS, CancelRequested, JobStatus
from msaas.jobs.application.child_outcomes import ChildOutcomes
from msaas.jobs.application.events import JobSnapshot, build_usage_recorded
from msaas.jobs.application.ports import EntryQueue
from msaas.jobs.application.results_ports import (
    LockedState,
    ResultStore,
    Settlement,
    SettlementResult,
)
from msaas.jobs.application.transactions import retry_on_conflict
from msaas.jobs.domain.charging import UsageCharge, charge
from msaas.jobs.domain.job import Job
from msaas.jobs.domain.reports import RunKey, RunReport, fold
from msaas.jobs.domain.settlement import SettlementRules, Transition, decide
from msaas.messaging import OutgoingMessage
from msaas.telemetry import Metrics, batch_span, get_logger

Traces = Mapping[UUID, str | None]
_DURATION_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200)


class PersistResults:
    def __init__(
        self,
        store: ResultStore,
        entries: EntryQueue,
        metrics: Metrics,
        rules: SettlementRules,
        *,
        on_slot_freed: Callable[[], None],
        on_woken: Callable[[], None],
        child_outcomes: ChildOutcomes | None = None,
    ) -> None:
        self._child_outcomes = child_outcomes or ChildOutcomes()
        self._store = store
        self._entries = entries
        self._rules = rules
        self._on_slot_freed = on_slot_freed
        self._on_woken = on_woken
        self._log = get_logger()
        self._finished = metrics.counter(
            "msaas_jobs_finished_total", "Jobs that ended.", ("status", "failure_reason")
        )
        self._end_to_end = metrics.histogram(
            "msaas_job_end_to_end_seconds",
            "From submitted to ended.",
            ("task_type",),
            _DURATION_BUCKETS,
        )
        self._unknown = metrics.counter(
            "msaas_result_fences_unknown_total", "Results for fences that were never dispatched."
        )
        self._lost = metrics.counter("msaas_runs_lost_total", "Runs that were lost.", ("reason",))

    async def __call__(self, reports: Sequence[RunReport], traces: Traces) -> list[OutgoingMessage]:
        """Return what to publish; reports that were persisted before give the same messages."""
        folded = fold(reports)
        with batch_span("jobs.persist", traces.values(), runs=len(folded)):
            return await self._persist(folded, traces)

    async def _persist(
        self, folded: Mapping[RunKey, RunReport], traces: Traces
    ) -> list[OutgoingMessage]:
        settlement, result = await retry_on_conflict(lambda: self._settle(folded), attempts=4)
        transitions = settlement.transitions
        self._count(folded, transitions, result.snapshots)
        if any(transition.frees_slot for transition in transitions):
            self._on_slot_freed()
        if result.woken_count:
            self._on_woken()
        await self._withdraw(transitions)
        child_outcomes = await self._child_outcomes.build(result.ended_children, traces)
        return [*_build_messages(folded, transitions, result, traces), *child_outcomes]

    async def _settle(
        self, folded: Mapping[RunKey, RunReport]
    ) -> tuple[Settlement, SettlementResult]:
        async with self._store.begin() as transaction:
            state = await transaction.lock(folded)
            settlement = self._decide(folded, state)
            return settlement, await transaction.store(settlement)

    def _decide(self, folded: Mapping[RunKey, RunReport], state: LockedState) -> Settlement:
        by_job: dict[UUID, dict[UUID, RunReport]] = defaultdict(dict)
        for run, report in folded.items():
            by_job[run.job_id][run.fence] = report
        transitions = [
            decide(job, state.runs.get(id_, {}), by_job[id_], state.now, self._rules)
            for id_, job in state.jobs.items()
        ]
        charged: dict[UUID, list[Job]] = defaultdict(list)
        for transition in transitions:
            if transition.is_charged:
                charged[transition.job.user_id].append(transition.job)
        charges: list[UsageCharge] = []
        for user_id, jobs in charged.items():
            charges += charge(state.ledger_heads[user_id], jobs, state.now)
        return Settlement(transitions=transitions, charges=charges)

    async def _withdraw(self, transitions: Iterable[Transition]) -> None:
        """Withdraw the entries of jobs that need no run any more."""
        entries: dict[str, list[str]] = defaultdict(list)
        for transition in transitions:
            job, task = transition.after, TASKS.get(transition.job.task_type)
            if task and job.entry_id and job.fence in transition.fences_to_stop:
                entries[task.topic].append(job.entry_id)
        for topic, entry_ids in entries.items():
            await self._entries.withdraw(topic, entry_ids)

    def _count(
        self,
        folded: Mapping[RunKey, RunReport],
        transitions: Sequence[Transition],
        snapshots: Mapping[UUID, JobSnapshot],
    ) -> None:
        ended = [transition.after for transition in transitions if transition.ends]
        kinds = Counter((job.status, job.failure_reason or "") for job in ended)
        for labels, count in kinds.items():
            self._finished.labels(*labels).inc(count)
        for job in ended:
            if job.finished_at and job.status is JobStatus.COMPLETED:
                took = (job.finished_at - job.created_at).total_seconds()
                self._end_to_end.labels(job.task_type).observe(max(0.0, took))
        self._count_losses(transitions)
        unknown = [run.job_id for run in folded if run.job_id not in snapshots]
        for transition in transitions:
            unknown += [transition.job.id] * transition.unknown_fences
        if unknown:
            self._unknown.inc(len(unknown))
            job_ids = [str(job_id) for job_id in dict.fromkeys(unknown)]
            self._log.error("result_fence_unknown", count=len(unknown), job_ids=job_ids[:20])

    def _count_losses(self, transitions: Iterable[Transition]) -> None:
        lost = [
            run for transition in transitions for run in transition.runs if run.outcome == "lost"
        ]
        for run in lost:
            self._lost.labels(run.reason).inc()
        if lost:
            reasons = dict(Counter(run.reason for run in lost))
            self._log.warning("runs_lost", count=len(lost), reasons=reasons)


def _build_messages(
    folded: Mapping[RunKey, RunReport],
    transitions: Sequence[Transition],
    result: SettlementResult,
    traces: Traces,
) -> Iterable[OutgoingMessage]:
    """Publish every job as it is, unless its runs only sent heartbeats."""
    reported = {run.job_id for run, report in folded.items() if not report.is_heartbeat}
    snapshots = result.snapshots
    for transition in transitions:
        id_ = transition.job.id
        trace, snapshot = traces.get(id_), snapshots[id_]
        if id_ in reported or transition.changes_state or snapshot.progress:
            yield snapshot.to_event(trace)
        for fence in sorted(transition.fences_to_stop):
            yield OutgoingMessage(
                message=CancelRequested(job_id=id_, fence=fence),
                topic="jobs.control",
                correlation_id=snapshot.correlation_id,
                traceparent=trace,
            )
    for charged in result.charges:
        snapshot, trace = snapshots[charged.job_id], traces.get(charged.job_id)
        yield build_usage_recorded(charged, snapshot.correlation_id, trace)
