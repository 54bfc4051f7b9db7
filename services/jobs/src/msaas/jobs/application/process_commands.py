"""Processes a batch of commands in one transaction, and revokes runs on workers afterwards."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from msaas.contracts import (
    CancelJob,
    DeadlinePassed,
    JobStatus,
    PushedJob,
    RetryJob,
    SubmitJobs,
    WakeJob,
)
from msaas.jobs.application.change_jobs import cancel, expire, retry, revoke_on_workers, wake
from msaas.jobs.application.child_outcomes import ChildOutcomes
from msaas.jobs.application.command_batch import (
    CommandBatch,
    CommandContext,
    CommandOutcome,
    LockRequest,
    RequestedJob,
)
from msaas.jobs.application.events import JobSnapshot
from msaas.jobs.application.ports import IntakeStore, WorkerQueue
from msaas.jobs.application.submit_jobs import accept_pushed, submit, submit_all
from msaas.jobs.domain.errors import CommandExpired, QuotaExceeded
from msaas.kernel import MsaasError
from msaas.messaging import OutgoingMessage
from msaas.telemetry import Metrics, get_logger


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessedCommands:
    """An outcome for each command, in their order, and the facts to publish."""

    outcomes: Sequence[CommandOutcome | MsaasError]
    snapshots: Sequence[JobSnapshot]
    child_outcomes: Sequence[OutgoingMessage] = ()

    def list_stopped_jobs(self) -> Sequence[UUID]:
        """List the jobs whose runs are asked to stop."""
        accepted = (o for o in self.outcomes if isinstance(o, CommandOutcome))
        return [job_id for outcome in accepted for job_id in outcome.stop_job_ids]


class ProcessCommands:
    def __init__(
        self,
        store: IntakeStore,
        workers: WorkerQueue,
        metrics: Metrics,
        *,
        request_dispatch: Callable[[], None],
        enforces_quota: bool = True,
        child_outcomes: ChildOutcomes | None = None,
    ) -> None:
        self._child_outcomes = child_outcomes or ChildOutcomes()
        self._store = store
        self._workers = workers
        self._request_dispatch = request_dispatch
        self._enforces_quota = enforces_quota
        self._log = get_logger()
        self._submitted = metrics.counter(
            "msaas_jobs_submitted_total", "Jobs accepted.", ("task_type", "plan")
        )
        self._finished = metrics.counter(
            "msaas_jobs_finished_total", "Jobs that ended.", ("status", "failure_reason")
        )
        self._rejected = metrics.counter(
            "msaas_quota_rejections_total", "Jobs rejected because the quota is used up.", ("plan",)
        )
        self._overruns = metrics.counter(
            "msaas_quota_overruns_total",
            "Jobs accepted over a quota that is not enforced.",
            ("plan",),
        )

    async def __call__(self, contexts: Sequence[CommandContext]) -> ProcessedCommands:
        """Process the commands; those processed before get the same answer and change nothing."""
        async with self._store.begin() as transaction:
            batch = await transaction.lock(_build_lock_request(contexts))
            for account in batch.accounts.values():
                account.is_enforced = self._enforces_quota
            outcomes = [_process(batch, context) for context in contexts]
            snapshots = await transaction.store(batch)
        self._count(batch)
        self._count_rejections(batch, contexts, outcomes)
        self._log_overruns(batch)
        if batch.frees_or_needs_slots:
            self._request_dispatch()
        await revoke_on_workers(self._workers, batch.revoked.values())
        changed = {snapshot.id for snapshot in snapshots}
        again = (job.snapshot for id_, job in batch.to_republish.items() if id_ not in changed)
        traces = {id_: context.traceparent for context in contexts for id_ in context.job_ids}
        return ProcessedCommands(
            outcomes=outcomes,
            snapshots=[*snapshots, *filter(None, again)],
            child_outcomes=await self._child_outcomes.build(batch.ended_children, traces),
        )

    def _count(self, batch: CommandBatch) -> None:
        accepted = Counter(
            (job.task_type, batch.accounts[job.user_id].subject.plan) for job, _ in batch.submitted
        )
        for labels, count in accepted.items():
            self._submitted.labels(*labels).inc(count)
        if batch.cancelled:
            self._finished.labels(JobStatus.CANCELLED, "cancelled").inc(len(batch.cancelled))
        for job, _ in batch.rejected:
            self._finished.labels(JobStatus.FAILED, job.failure_reason).inc()
        if batch.expired:
            self._finished.labels(JobStatus.FAILED, "timeout").inc(len(batch.expired))

    def _count_rejections(
        self,
        batch: CommandBatch,
        contexts: Sequence[CommandContext],
        outcomes: Sequence[CommandOutcome | MsaasError],
    ) -> None:
        for context, outcome in zip(contexts, outcomes, strict=True):
            if isinstance(outcome, QuotaExceeded):
                plan = batch.accounts[context.command.user_id].subject.plan
                self._rejected.labels(plan).inc()

    def _log_overruns(self, batch: CommandBatch) -> None:
        """Log the jobs over a quota that is not enforced; they count like any other job."""
        for user_id, account in batch.accounts.items():
            if account.overrun:
                plan = account.subject.plan
                self._overruns.labels(plan).inc(account.overrun)
                over = {"plan": plan, "limit": account.quota.limit, "jobs": account.overrun}
                self._log.warning("quota_overrun_admitted", user_id=str(user_id), **over)


def _build_lock_request(contexts: Sequence[CommandContext]) -> LockRequest:
    requests = [request for context in contexts for request in context.requests]
    parents = {request.parent_job_id for request in requests if request.parent_job_id}
    return LockRequest(
        plans={request.user_id: request.plan for request in reversed(requests)},
        users={context.command.user_id for context in contexts},
        jobs={request.job_id for request in requests} | parents,
        keys={request.key for request in requests if request.key},
        to_change={
            (context.command.job_id, context.command.user_id)
            for context in contexts
            if isinstance(context.command, CancelJob | RetryJob | DeadlinePassed | WakeJob)
        },
    )


def _process(batch: CommandBatch, context: CommandContext) -> CommandOutcome | MsaasError:
    try:
        if context.has_expired and not _is_committed(batch, context):
            return CommandExpired()
        return _submit(batch, context) if context.requests else _change(batch, context)
    except MsaasError as refusal:
        return refusal


def _is_committed(batch: CommandBatch, context: CommandContext) -> bool:
    """Whether the command was carried out before; a batch of jobs is committed as a whole."""
    if context.requests:
        return bool(_list_repeatable(batch, context))
    job = batch.jobs.get(context.job_ids[0])
    match context.command:
        case CancelJob():
            return job is not None and (job.cancel_requested or job.status is JobStatus.CANCELLED)
        case RetryJob(retry_id=retry_id):
            return job is not None and job.last_retry_id == retry_id
        case _:
            return True


def _list_repeatable(batch: CommandBatch, context: CommandContext) -> Sequence[RequestedJob]:
    """Of an expired command, only the jobs that exist."""
    if not context.has_expired:
        return context.requests
    jobs, keys = batch.jobs, batch.keys
    return [
        request
        for request in context.requests
        if request.job_id in jobs or (request.key and request.key in keys)
    ]


def _submit(batch: CommandBatch, context: CommandContext) -> CommandOutcome:
    match context.command:
        case SubmitJobs():
            return submit_all(batch, _list_repeatable(batch, context))
        case PushedJob():
            return accept_pushed(batch, context.requests[0])
        case _:
            return submit(batch, context.requests[0])


def _change(batch: CommandBatch, context: CommandContext) -> CommandOutcome:
    match context.command:
        case CancelJob() as command:
            return cancel(batch, command)
        case RetryJob() as command:
            return retry(batch, command)
        case DeadlinePassed() as command:
            return expire(batch, command)
        case command:
            return wake(batch, cast("WakeJob", command))
