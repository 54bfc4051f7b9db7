"""A batch of commands: what they request, the rows they lock, and the changes made in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from uuid import UUID

from msaas.contracts import (
    CancelJob,
    DeadlinePassed,
    Idempotency,
    JobStatus,
    Plan,
    PushedJob,
    RetryJob,
    Source,
    SubmitJob,
    SubmitJobs,
    WakeJob,
)
from msaas.jobs.application.child_outcomes import EndedChild
from msaas.jobs.application.events import JobSnapshot
from msaas.jobs.domain.accounts import Account
from msaas.jobs.domain.errors import UserBeingErased, UserNotFound

IdempotencyKey = tuple[UUID, str, int]
"""A user's idempotency key and the item of a batch."""

Command = SubmitJob | SubmitJobs | PushedJob | CancelJob | RetryJob | DeadlinePassed | WakeJob


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedJob:
    """A job that a command submits, from the command to its row.

    The names are those of the row: `deadline_at` is `deadline_ts` in the messages.
    """

    job_id: UUID
    user_id: UUID
    task_type: str
    payload: dict[str, object]
    plan: Plan
    source: Source
    priority: int
    run_at: datetime | None
    deadline_at: datetime | None
    parent_job_id: UUID | None
    idempotency: Idempotency | None
    correlation_id: str
    traceparent: str | None
    api_key_id: UUID | None = None

    @property
    def key(self) -> IdempotencyKey | None:
        given = self.idempotency
        return None if given is None else (self.user_id, given.key, given.item)


@dataclass(frozen=True, kw_only=True)
class CommandContext:
    """A command and the correlation and trace of its entry.

    `has_expired`: only what it did before may be repeated.
    """

    command: Command
    correlation_id: str
    traceparent: str | None = None
    has_expired: bool = False

    @cached_property
    def requests(self) -> Sequence[RequestedJob]:
        """The jobs that the command submits; none if it changes a job."""
        match self.command:
            case SubmitJob() as command:
                return (self._build_request(command),)
            case SubmitJobs() as command:
                return tuple(map(self._build_request, command.split()))
            case PushedJob() as command:
                return (self._build_request(command.as_submission()),)
            case _:
                return ()

    @property
    def job_ids(self) -> Sequence[UUID]:
        if isinstance(self.command, SubmitJobs):
            return [item.job_id for item in self.command.jobs]
        return [self.command.job_id]

    def _build_request(self, job: SubmitJob) -> RequestedJob:
        return RequestedJob(
            job_id=job.job_id,
            user_id=job.user_id,
            task_type=job.task_type,
            payload=job.payload,
            plan=job.plan,
            source=job.source,
            priority=job.priority,
            run_at=job.run_at,
            deadline_at=job.deadline_ts,
            parent_job_id=job.parent_job_id,
            idempotency=job.idempotency,
            correlation_id=self.correlation_id,
            traceparent=self.traceparent,
            api_key_id=job.api_key_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRequest:
    """The rows that a batch locks: users, created where missing, and the jobs that it looks up.

    Jobs `to_change` are given with their user and are locked with all their descendants.
    """

    plans: dict[UUID, Plan]
    users: set[UUID]
    jobs: set[UUID]
    keys: set[IdempotencyKey]
    to_change: set[tuple[UUID, UUID]]


@dataclass(slots=True, kw_only=True)
class LockedJob:
    """A job of the batch, locked or about to be inserted; only a stored one has a `snapshot`."""

    id: UUID
    user_id: UUID
    task_type: str
    status: JobStatus = JobStatus.PENDING
    created_at: datetime
    max_attempts: int = 1
    billable: bool = False
    fence: UUID | None = None
    entry_id: str | None = None
    usage_period: datetime | None = None
    reserved: bool = False
    fingerprint: str | None = None
    cancel_requested: bool = False
    deadline_at: datetime | None = None
    has_payload: bool = True
    last_retry_id: UUID | None = None
    parent_id: UUID | None = None
    failure_reason: str | None = None
    last_error: str | None = None
    snapshot: JobSnapshot | None = None

    @property
    def is_finished(self) -> bool:
        return self.status not in {JobStatus.PENDING, JobStatus.RUNNING}


@dataclass(slots=True, kw_only=True)
class CommandBatch:
    """What the batch locked and what it changes.

    `woken_count` and `ended_children` are known once it is stored.
    """

    now: datetime
    accounts: dict[UUID, Account]
    jobs: dict[UUID, LockedJob]
    keys: dict[IdempotencyKey, LockedJob]
    submitted: list[tuple[LockedJob, RequestedJob]] = field(
        default_factory=list[tuple[LockedJob, RequestedJob]]
    )
    rejected: list[tuple[LockedJob, RequestedJob]] = field(
        default_factory=list[tuple[LockedJob, RequestedJob]]
    )
    cancelled: list[LockedJob] = field(default_factory=list[LockedJob])
    expired: list[LockedJob] = field(default_factory=list[LockedJob])
    retried: list[LockedJob] = field(default_factory=list[LockedJob])
    stop_requested: list[LockedJob] = field(default_factory=list[LockedJob])
    revoked: dict[UUID, LockedJob] = field(default_factory=dict[UUID, LockedJob])
    to_wake: set[UUID] = field(default_factory=set[UUID])
    answered: set[UUID] = field(default_factory=set[UUID])
    woken_count: int = 0
    ended_children: Sequence[EndedChild] = ()
    to_republish: dict[UUID, LockedJob] = field(default_factory=dict[UUID, LockedJob])

    @property
    def frees_or_needs_slots(self) -> bool:
        """Whether dispatch has a reason to run at once."""
        changed = self.submitted or self.retried or self.cancelled or self.expired
        return bool(changed or self.woken_count)

    def get_account(self, user_id: UUID) -> Account:
        """Return the account of a user who may send commands."""
        account = self.accounts.get(user_id)
        if account is None:
            raise UserNotFound
        if account.subject.is_erasing:
            raise UserBeingErased
        return account

    def children_of(self, job: LockedJob) -> list[LockedJob]:
        return [child for child in self.jobs.values() if child.parent_id == job.id]

    def finish(self, job: LockedJob, status: JobStatus) -> None:
        """End a job that will not run, and release its reservation."""
        job.status = status
        if job.reserved and job.usage_period:
            self.accounts[job.user_id].release(job.usage_period)
            job.reserved = False

    def republish(self, job: LockedJob) -> None:
        """Publish the present snapshot of a job again, unless this batch inserts the job."""
        if job.snapshot is not None:
            self.to_republish[job.id] = job


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOutcome:
    """The reply to the sender, and the jobs whose runs are asked to stop."""

    reply: dict[str, object]
    stop_job_ids: tuple[UUID, ...] = ()
