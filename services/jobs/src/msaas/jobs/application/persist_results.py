"""Settles a micro-batch of results: folded first, then one decision and one row for each job."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from msaas.contracts import CancelRequested, JobStatus, get_task
from msaas.jobs.application.results_ports import (
    EntryWithdrawer,
    LockedState,
    ResultStore,
    Settlement,
    SettlementResult,
)
from msaas.jobs.application.usage_messages import build_usage_recorded
from msaas.jobs.domain.charging import UsageCharge, charge
from msaas.jobs.domain.folding import fold
from msaas.jobs.domain.job import Job
from msaas.jobs.domain.reports import RunKey, RunReport
from msaas.jobs.domain.settlement import SettlementRules, Transition, decide
from msaas.messaging import OutgoingMessage
from msaas.telemetry import Metrics, get_logger, is_sampled, span

Traces = Mapping[UUID, str | None]
_DURATION_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200)


class PersistResults:
    def __init__(
        self,
        store: ResultStore,
        broker: EntryWithdrawer,
        metrics: Metrics,
        rules: SettlementRules,
        *,
        on_slot_freed: Callable[[], None],
        on_woken: Callable[[], None],
    ) -> None:
        self._store = store
        self._broker = broker
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
        """Commit, then tell; whoever calls again is told the same, and changes nothing."""
        folded = fold(reports)
        sampled = [trace for trace in traces.values() if trace and is_sampled(trace)]
        if not sampled:
            return await self._persist(folded, traces)
        with span("jobs.persist", traceparent=sampled[0], links=sampled[1:], runs=len(folded)):
            return await self._persist(folded, traces)

    async def _persist(
        self, folded: Mapping[RunKey, RunReport], traces: Traces
    ) -> list[OutgoingMessage]:
        result = await self._store.settle(folded, lambda present: self._decide(folded, present))
        self._count(folded, result)
        if any(verdict.frees_slot for verdict in result.transitions):
            self._on_slot_freed()
        if result.woken_count:
            self._on_woken()
        await self._withdraw(result.transitions)
        return list(_build_messages(folded, result, traces))

    def _decide(self, folded: Mapping[RunKey, RunReport], state: LockedState) -> Settlement:
        by_job: dict[UUID, dict[UUID, RunReport]] = defaultdict(dict)
        for run, report in folded.items():
            by_job[run.job_id][run.fence] = report
        transitions = [
            decide(job, state.runs.get(id_, {}), by_job[id_], state.now, self._rules)
            for id_, job in state.jobs.items()
        ]
        charged: dict[UUID, list[Job]] = defaultdict(list)
        for verdict in transitions:
            if verdict.is_charged:
                charged[verdict.job.user_id].append(verdict.job)
        charges: list[UsageCharge] = []
        for user_id, jobs in charged.items():
            charges += charge(state.ledger_heads[user_id], jobs, state.now)
        return Settlement(transitions=transitions, charges=charges)

    async def _withdraw(self, transitions: Iterable[Transition]) -> None:
        """Take back what lies on the wire for a job that needs no run any more."""
        entries: dict[str, list[str]] = defaultdict(list)
        for verdict in transitions:
            if verdict.after.entry_id and verdict.after.fence in verdict.fences_to_stop:
                entries[get_task(verdict.job.task_type).topic].append(verdict.after.entry_id)
        for topic, entry_ids in entries.items():
            await self._broker.withdraw(topic, entry_ids)

    def _count(self, folded: Mapping[RunKey, RunReport], result: SettlementResult) -> None:
        ended = [verdict.after for verdict in result.transitions if verdict.ends]
        kinds = Counter((job.status, job.failure_reason or "") for job in ended)
        for labels, count in kinds.items():
            self._finished.labels(*labels).inc(count)
        for job in ended:
            if job.finished_at and job.status is JobStatus.COMPLETED:
                took = (job.finished_at - job.created_at).total_seconds()
                self._end_to_end.labels(job.task_type).observe(max(0.0, took))
        self._count_losses(result.transitions)
        missing = [run for run in folded if run.job_id not in result.snapshots]
        unknown = len(missing) + sum(verdict.unknown_fences for verdict in result.transitions)
        if unknown:
            self._unknown.inc(unknown)
            jobs = [str(one.job.id) for one in result.transitions if one.unknown_fences]
            jobs += [str(run.job_id) for run in missing]
            self._log.error("result_fence_unknown", count=unknown, job_ids=jobs[:20])

    def _count_losses(self, transitions: Iterable[Transition]) -> None:
        lost = [run for one in transitions for run in one.runs if run.outcome == "lost"]
        for run in lost:
            self._lost.labels(run.reason).inc()
        if lost:
            reasons = dict(Counter(run.reason for run in lost))
            self._log.warning("runs_lost", count=len(lost), reasons=reasons)


def _build_messages(
    folded: Mapping[RunKey, RunReport], result: SettlementResult, traces: Traces
) -> Iterable[OutgoingMessage]:
    """Answer all but mere beats with the job as it is, whether it changed or not."""
    reported = {run.job_id for run, report in folded.items() if not report.is_heartbeat}
    snapshots = result.snapshots
    for verdict in result.transitions:
        id_ = verdict.job.id
        trace, known = traces.get(id_), snapshots[id_]
        if id_ in reported or verdict.changes_state or known.progress:
            yield known.to_event(trace)
        for fence in sorted(verdict.fences_to_stop):
            yield OutgoingMessage(
                message=CancelRequested(job_id=id_, fence=fence),
                topic="jobs.control",
                correlation_id=known.correlation_id,
                traceparent=trace,
            )
    for fact in result.charges:
        known, trace = snapshots[fact.job_id], traces.get(fact.job_id)
        yield build_usage_recorded(fact, known.correlation_id, trace)
