"""Settling a batch of commands in one transaction, and telling the workers afterwards."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from msaas.contracts import (
    CancelJob,
    DeadlinePassed,
    JobStatus,
    PushedJob,
    RetryJob,
    SubmitJob,
    SubmitJobs,
    WakeJob,
)
from msaas.jobs.application.accept_pushed_jobs import accept_pushed
from msaas.jobs.application.cancel_jobs import cancel, revoke_on_workers
from msaas.jobs.application.command_batch import (
    Command,
    CommandBatch,
    CommandContext,
    CommandOutcome,
    LockRequest,
)
from msaas.jobs.application.expire_jobs import expire
from msaas.jobs.application.ports import IntakeStore, WorkerQueue
from msaas.jobs.application.retry_jobs import retry
from msaas.jobs.application.snapshots import JobSnapshot
from msaas.jobs.application.submit_jobs import find_idempotency_key, submit, submit_all
from msaas.jobs.application.wake_jobs import wake
from msaas.jobs.domain.errors import QuotaExceeded
from msaas.kernel import MsaasError
from msaas.telemetry import Metrics, get_logger


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessedCommands:
    """A verdict for each order, in their order, and the snapshots that are to be announced."""

    outcomes: Sequence[CommandOutcome | MsaasError]
    snapshots: Sequence[JobSnapshot]


class ProcessCommands:
    def __init__(
        self,
        store: IntakeStore,
        workers: WorkerQueue,
        metrics: Metrics,
        *,
        request_dispatch: Callable[[], None],
        enforces_quota: bool = True,
    ) -> None:
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
        """Repeat at will: what is committed already is answered again and changes nothing."""
        async with self._store.transaction() as transaction:
            batch = await transaction.lock(_build_lock_request(contexts))
            for account in batch.accounts.values():
                account.is_enforced = self._enforces_quota
            outcomes = [_process(batch, order) for order in contexts]
            snapshots = await transaction.store(batch)
        self._count(batch, contexts, outcomes)
        self._log_overruns(batch)
        if (
            batch.submitted
            or batch.retried
            or batch.cancelled
            or batch.expired
            or batch.woken_count
        ):
            self._request_dispatch()
        await revoke_on_workers(self._workers, batch.revoked.values())
        changed = {snapshot.id for snapshot in snapshots}
        again = (job.snapshot for id_, job in batch.to_republish.items() if id_ not in changed)
        return ProcessedCommands(outcomes=outcomes, snapshots=[*snapshots, *filter(None, again)])

    def _count(
        self,
        batch: CommandBatch,
        contexts: Sequence[CommandContext],
        outcomes: Sequence[CommandOutcome | MsaasError],
    ) -> None:
        taken = Counter((new.task.task_type, new.plan) for new in batch.submitted)
        for labels, count in taken.items():
            self._submitted.labels(*labels).inc(count)
        if batch.cancelled:
            self._finished.labels(JobStatus.CANCELLED, "cancelled").inc(len(batch.cancelled))
        for refused in batch.rejected:
            self._finished.labels(JobStatus.FAILED, refused.reason).inc()
        if batch.expired:
            self._finished.labels(JobStatus.FAILED, "timeout").inc(len(batch.expired))
        for order, verdict in zip(contexts, outcomes, strict=True):
            if isinstance(verdict, QuotaExceeded):
                plan = batch.accounts[order.command.user_id].subject.plan
                self._rejected.labels(plan).inc()

    def _log_overruns(self, batch: CommandBatch) -> None:
        """Tell what a limit lets through that is not enforced: it counts like any other job."""
        for user_id, account in batch.accounts.items():
            if account.overrun:
                plan = account.subject.plan
                self._overruns.labels(plan).inc(account.overrun)
                over = {"plan": plan, "limit": account.quota.limit, "jobs": account.overrun}
                self._log.warning("quota_overrun_admitted", user_id=str(user_id), **over)


def _build_lock_request(contexts: Sequence[CommandContext]) -> LockRequest:
    submits = [one for order in contexts for one in list_submissions(order.command)]
    parents = {one.parent_job_id for one in submits if one.parent_job_id}
    return LockRequest(
        plans={one.user_id: one.plan for one in reversed(submits)},
        users={order.command.user_id for order in contexts},
        jobs={one.job_id for one in submits} | parents,
        keys={key for one in submits if (key := find_idempotency_key(one))},
        to_change={
            (order.command.job_id, order.command.user_id)
            for order in contexts
            if isinstance(order.command, CancelJob | RetryJob | DeadlinePassed | WakeJob)
        },
    )


def list_submissions(command: Command) -> Sequence[SubmitJob]:
    match command:
        case SubmitJob():
            return (command,)
        case SubmitJobs():
            return command.split()
        case PushedJob():
            return (command.as_submission(),)
        case _:
            return ()


def _process(batch: CommandBatch, context: CommandContext) -> CommandOutcome | MsaasError:
    try:
        return (
            _process_submission(batch, context)
            if list_submissions(context.command)
            else _process_change(batch, context)
        )
    except MsaasError as refusal:
        return refusal


def _process_submission(batch: CommandBatch, context: CommandContext) -> CommandOutcome:
    match context.command:
        case SubmitJobs() as command:
            return submit_all(batch, context, command.split())
        case PushedJob() as command:
            return accept_pushed(batch, context, command)
        case command:
            return submit(batch, context, cast("SubmitJob", command))


def _process_change(batch: CommandBatch, context: CommandContext) -> CommandOutcome:
    match context.command:
        case CancelJob() as command:
            return cancel(batch, command)
        case RetryJob() as command:
            return retry(batch, command)
        case DeadlinePassed() as word:
            return expire(batch, word)
        case word:
            return wake(batch, cast("WakeJob", word))
