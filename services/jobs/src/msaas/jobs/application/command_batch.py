"""What a batch of commands touches, locked in the record and changed in memory, in their order."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from msaas.contracts import (
    CancelJob,
    DeadlinePassed,
    JobStatus,
    Plan,
    PushedJob,
    RetryJob,
    SubmitJob,
    SubmitJobs,
    Task,
    WakeJob,
)
from msaas.jobs.application.snapshots import JobSnapshot
from msaas.jobs.domain.accounts import Account
from msaas.jobs.domain.errors import UserBeingErased, UserNotFound

IdempotencyKey = tuple[UUID, str, int]
"""A user's idempotency key and the item of a batch."""

Command = SubmitJob | SubmitJobs | PushedJob | CancelJob | RetryJob | DeadlinePassed | WakeJob


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandContext:
    """A command with what came along with it."""

    command: Command
    correlation_id: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRequest:
    """What a batch needs to have locked: users to mint where missing, jobs to look up.

    `to_change` are jobs of their users, which are locked together with all that descends from them.
    """

    plans: dict[UUID, Plan]
    users: set[UUID]
    jobs: set[UUID]
    keys: set[IdempotencyKey]
    to_change: set[tuple[UUID, UUID]]


@dataclass(slots=True, kw_only=True)
class LockedJob:
    """A job of the batch; `snapshot` is None until the record has it."""

    id: UUID
    user_id: UUID
    task_type: str
    status: JobStatus = JobStatus.PENDING
    created_at: datetime
    fence: UUID | None = None
    entry_id: str | None = None
    usage_period: datetime | None = None
    reserved: bool = False
    fingerprint: str | None = None
    cancel_requested: bool = False
    deadline_at: datetime | None = None
    has_payload: bool = True
    last_retry: UUID | None = None
    parent_id: UUID | None = None
    snapshot: JobSnapshot | None = None

    @property
    def is_finished(self) -> bool:
        return self.status not in {JobStatus.PENDING, JobStatus.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    context: CommandContext
    command: SubmitJob
    task: Task
    plan: Plan
    usage_period: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedJob:
    """Whoever pushed it hears no answer, so that the job itself has to say why it is not done."""

    context: CommandContext
    command: SubmitJob
    reason: str
    error_message: str


@dataclass(slots=True, kw_only=True)
class CommandBatch:
    """`woken` counts, once it is stored, the jobs that no longer wait."""

    now: datetime
    accounts: dict[UUID, Account]
    jobs: dict[UUID, LockedJob]
    keys: dict[IdempotencyKey, LockedJob]
    submitted: list[NewJob] = field(default_factory=list[NewJob])
    rejected: list[RejectedJob] = field(default_factory=list[RejectedJob])
    cancelled: list[LockedJob] = field(default_factory=list[LockedJob])
    expired: list[LockedJob] = field(default_factory=list[LockedJob])
    retried: list[LockedJob] = field(default_factory=list[LockedJob])
    stop_requested: list[LockedJob] = field(default_factory=list[LockedJob])
    revoked: dict[UUID, LockedJob] = field(default_factory=dict[UUID, LockedJob])
    to_wake: set[UUID] = field(default_factory=set[UUID])
    woken_count: int = 0
    to_republish: dict[UUID, LockedJob] = field(default_factory=dict[UUID, LockedJob])

    def get_account(self, user_id: UUID) -> Account:
        """Find the account of a user who may give commands."""
        account = self.accounts.get(user_id)
        if account is None:
            raise UserNotFound
        if account.subject.is_erasing:
            raise UserBeingErased
        return account

    def children_of(self, job: LockedJob) -> list[LockedJob]:
        return [child for child in self.jobs.values() if child.parent_id == job.id]

    def finish(self, job: LockedJob, status: JobStatus) -> None:
        """Give back what was set aside for a job that will not be done."""
        job.status = status
        if job.reserved and job.usage_period:
            self.accounts[job.user_id].release(job.usage_period)
            job.reserved = False

    def republish(self, job: LockedJob) -> None:
        """Have a job's present snapshot published again, where it was in the record before."""
        if job.snapshot is not None:
            self.to_republish[job.id] = job


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOutcome:
    """What the asker is told."""

    reply: dict[str, object]
    stop_job_ids: tuple[UUID, ...] = ()
    """The jobs whose runs are told to end."""
