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
from msaas.jobs.domain.errors import UserErasing, UserUnknown

Key = tuple[UUID, str, int]
"""A user's idempotency key and the item of a batch."""

Command = SubmitJob | SubmitJobs | PushedJob | CancelJob | RetryJob | DeadlinePassed | WakeJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command with what came along with it."""

    command: Command
    correlation_id: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a batch needs to have locked: users to mint where missing, jobs to look up.

    `to_change` are jobs of their users, which are locked together with all that descends from them.
    """

    plans: dict[UUID, Plan]
    users: set[UUID]
    jobs: set[UUID]
    keys: set[Key]
    to_change: set[tuple[UUID, UUID]]


@dataclass(slots=True, kw_only=True)
class Job:
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
    order: Order
    command: SubmitJob
    task: Task
    plan: Plan
    usage_period: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedJob:
    """Whoever pushed it hears no answer, so that the job itself has to say why it is not done."""

    order: Order
    command: SubmitJob
    reason: str
    words: str


@dataclass(slots=True, kw_only=True)
class Book:
    """`woken` counts, once it is stored, the jobs that no longer wait."""

    now: datetime
    accounts: dict[UUID, Account]
    jobs: dict[UUID, Job]
    keys: dict[Key, Job]
    submitted: list[NewJob] = field(default_factory=list[NewJob])
    refused: list[RefusedJob] = field(default_factory=list[RefusedJob])
    cancelled: list[Job] = field(default_factory=list[Job])
    overdue: list[Job] = field(default_factory=list[Job])
    retried: list[Job] = field(default_factory=list[Job])
    asked_to_stop: list[Job] = field(default_factory=list[Job])
    called_off: dict[UUID, Job] = field(default_factory=dict[UUID, Job])
    waking: set[UUID] = field(default_factory=set[UUID])
    woken: int = 0
    repeated: dict[UUID, Job] = field(default_factory=dict[UUID, Job])

    def get_account(self, user_id: UUID) -> Account:
        """Find the account of a user who may give commands."""
        account = self.accounts.get(user_id)
        if account is None:
            raise UserUnknown
        if account.subject.erasing:
            raise UserErasing
        return account

    def children_of(self, job: Job) -> list[Job]:
        return [child for child in self.jobs.values() if child.parent_id == job.id]

    def end(self, job: Job, status: JobStatus) -> None:
        """Give back what was set aside for a job that will not be done."""
        job.status = status
        if job.reserved and job.usage_period:
            self.accounts[job.user_id].release(job.usage_period)
            job.reserved = False

    def repeat(self, job: Job) -> None:
        """Have a job's present snapshot published again, where it was in the record before."""
        if job.snapshot is not None:
            self.repeated[job.id] = job


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What the asker is told."""

    answer: dict[str, object]
    stop: tuple[UUID, ...] = ()
    """The jobs whose runs are told to end."""
