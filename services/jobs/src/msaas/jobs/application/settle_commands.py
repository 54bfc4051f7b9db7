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
from msaas.jobs.application.book import Accepted, Book, Command, Order, Wanted
from msaas.jobs.application.cancel_jobs import call_off, cancel
from msaas.jobs.application.expire_jobs import expire
from msaas.jobs.application.ports import IntakeRecord, Workers
from msaas.jobs.application.retry_jobs import retry
from msaas.jobs.application.snapshots import JobSnapshot
from msaas.jobs.application.submit_jobs import key_of, submit, submit_all
from msaas.jobs.application.take_in_jobs import take_in
from msaas.jobs.application.wake_jobs import wake
from msaas.jobs.domain.errors import QuotaExceeded
from msaas.kernel import MsaasError
from msaas.telemetry import Metrics, get_logger


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A verdict for each order, in their order, and the snapshots that are to be announced."""

    verdicts: Sequence[Accepted | MsaasError]
    snapshots: Sequence[JobSnapshot]


class SettleCommands:
    def __init__(
        self,
        record: IntakeRecord,
        workers: Workers,
        metrics: Metrics,
        *,
        on_room: Callable[[], None],
        enforces_quota: bool = True,
    ) -> None:
        self._record = record
        self._workers = workers
        self._on_room = on_room
        self._enforces_quota = enforces_quota
        self._log = get_logger()
        self._submitted = metrics.counter(
            "msaas_jobs_submitted_total", "Jobs taken in.", ("task_type", "plan")
        )
        self._finished = metrics.counter(
            "msaas_jobs_finished_total", "Jobs that ended.", ("status", "failure_reason")
        )
        self._rejected = metrics.counter(
            "msaas_quota_rejections_total", "Jobs refused for want of quota.", ("plan",)
        )
        self._overruns = metrics.counter(
            "msaas_quota_overruns_total", "Jobs taken in beyond a limit not enforced.", ("plan",)
        )

    async def __call__(self, orders: Sequence[Order]) -> Settled:
        """Repeat at will: what is committed already is answered again and changes nothing."""
        async with self._record.transaction() as transaction:
            book = await transaction.lock(_wanted_by(orders))
            for account in book.accounts.values():
                account.is_enforced = self._enforces_quota
            verdicts = [_judge(book, order) for order in orders]
            snapshots = await transaction.store(book)
        self._count(book, orders, verdicts)
        self._say_overruns(book)
        if book.submitted or book.retried or book.cancelled or book.overdue or book.woken:
            self._on_room()
        await call_off(self._workers, book.called_off.values())
        changed = {snapshot.id for snapshot in snapshots}
        again = (job.snapshot for id_, job in book.repeated.items() if id_ not in changed)
        return Settled(verdicts=verdicts, snapshots=[*snapshots, *filter(None, again)])

    def _count(
        self, book: Book, orders: Sequence[Order], verdicts: Sequence[Accepted | MsaasError]
    ) -> None:
        taken = Counter((new.task.task_type, new.plan) for new in book.submitted)
        for labels, count in taken.items():
            self._submitted.labels(*labels).inc(count)
        if book.cancelled:
            self._finished.labels(JobStatus.CANCELLED, "cancelled").inc(len(book.cancelled))
        for refused in book.refused:
            self._finished.labels(JobStatus.FAILED, refused.reason).inc()
        if book.overdue:
            self._finished.labels(JobStatus.FAILED, "timeout").inc(len(book.overdue))
        for order, verdict in zip(orders, verdicts, strict=True):
            if isinstance(verdict, QuotaExceeded):
                plan = book.accounts[order.command.user_id].subject.plan
                self._rejected.labels(plan).inc()

    def _say_overruns(self, book: Book) -> None:
        """Tell what a limit lets through that is not enforced: it counts like any other job."""
        for user_id, account in book.accounts.items():
            if account.overrun:
                plan = account.subject.plan
                self._overruns.labels(plan).inc(account.overrun)
                over = {"plan": plan, "limit": account.quota.limit, "jobs": account.overrun}
                self._log.warning("quota_overrun_admitted", user_id=str(user_id), **over)


def _wanted_by(orders: Sequence[Order]) -> Wanted:
    submits = [one for order in orders for one in submits_of(order.command)]
    parents = {one.parent_job_id for one in submits if one.parent_job_id}
    return Wanted(
        plans={one.user_id: one.plan for one in reversed(submits)},
        users={order.command.user_id for order in orders},
        jobs={one.job_id for one in submits} | parents,
        keys={key for one in submits if (key := key_of(one))},
        to_change={
            (order.command.job_id, order.command.user_id)
            for order in orders
            if isinstance(order.command, CancelJob | RetryJob | DeadlinePassed | WakeJob)
        },
    )


def submits_of(command: Command) -> Sequence[SubmitJob]:
    match command:
        case SubmitJob():
            return (command,)
        case SubmitJobs():
            return command.split()
        case PushedJob():
            return (command.as_submission(),)
        case _:
            return ()


def _judge(book: Book, order: Order) -> Accepted | MsaasError:
    try:
        return _enter(book, order) if submits_of(order.command) else _change(book, order)
    except MsaasError as refusal:
        return refusal


def _enter(book: Book, order: Order) -> Accepted:
    match order.command:
        case SubmitJobs() as command:
            return submit_all(book, order, command.split())
        case PushedJob() as command:
            return take_in(book, order, command)
        case command:
            return submit(book, order, cast("SubmitJob", command))


def _change(book: Book, order: Order) -> Accepted:
    match order.command:
        case CancelJob() as command:
            return cancel(book, command)
        case RetryJob() as command:
            return retry(book, command)
        case DeadlinePassed() as word:
            return expire(book, word)
        case word:
            return wake(book, cast("WakeJob", word))
