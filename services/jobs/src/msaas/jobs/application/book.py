"""What a batch of commands touches, locked in the record and changed in memory, in their order."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from msaas.contracts import CancelJob, JobStatus, Plan, SubmitJob, Task
from msaas.jobs.application.snapshots import JobSnapshot
from msaas.jobs.domain.accounts import Account
from msaas.jobs.domain.errors import UserErasing, UserUnknown

Key = tuple[UUID, str, int]
"""A user's idempotency key and the item of a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command with what came along with it."""

    command: SubmitJob | CancelJob
    correlation_id: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a batch needs to have locked: users to mint where missing, jobs to look up."""

    plans: dict[UUID, Plan]
    users: set[UUID]
    jobs: set[UUID]
    keys: set[Key]
    to_cancel: set[tuple[UUID, UUID]]


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
    snapshot: JobSnapshot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    order: Order
    command: SubmitJob
    task: Task
    plan: Plan
    usage_period: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    now: datetime
    accounts: dict[UUID, Account]
    jobs: dict[UUID, Job]
    keys: dict[Key, Job]
    submitted: list[NewJob] = field(default_factory=list[NewJob])
    cancelled: list[Job] = field(default_factory=list[Job])
    asked_to_stop: list[Job] = field(default_factory=list[Job])
    called_off: dict[UUID, Job] = field(default_factory=dict[UUID, Job])
    repeated: dict[UUID, Job] = field(default_factory=dict[UUID, Job])

    def get_account(self, user_id: UUID) -> Account:
        """Find the account of a user who may give commands."""
        account = self.accounts.get(user_id)
        if account is None:
            raise UserUnknown
        if account.subject.erasing:
            raise UserErasing
        return account

    def repeat(self, job: Job) -> None:
        """Have a job's present snapshot published again, where it was in the record before."""
        if job.snapshot is not None:
            self.repeated[job.id] = job


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What the asker is told."""

    answer: dict[str, object]
    stop: UUID | None = None
    """The job whose runs are told to end."""
