"""The messages of a job, from the command that submits it to the frame that a browser shows."""

from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from msaas.contracts.message import Message, OnFull, ValueObject
from msaas.contracts.plans import Plan
from msaas.contracts.text import ErrorText, Identifier, JsonObject, ShortText, Text, Timestamp

MAX_INLINE_RESULT = 64 * 1024
"""Bytes of JSON; a larger result is uploaded to a slot, which `result_ref` names."""

AttemptCount = Annotated[int, Field(ge=0, le=1_000)]
Count = Annotated[int, Field(ge=0, le=2**53)]
LeaseMs = Annotated[int, Field(ge=1_000, le=600_000)]
Milliseconds = Annotated[int, Field(ge=0, le=2**53)]
UploadSlot = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Timings = Annotated[dict[Identifier, Milliseconds], Field(max_length=64)]
Uploads = dict[UploadSlot, Annotated[Text, Field(max_length=4_096)]]


class VisitedPlace(ValueObject):
    """A host that a run requested: the traffic, and why connections were refused, if any."""

    host: Annotated[Text, Field(max_length=255)]
    port: Annotated[int, Field(ge=0, le=65_535)]
    connections: Count = 0
    received: Count = 0
    sent: Count = 0
    refusals: Count = 0
    refusal: Identifier | None = None


MAX_VISITED_HOSTS = 50
NetworkTraffic = Annotated[
    tuple[VisitedPlace, ...],
    Field(max_length=MAX_VISITED_HOSTS, exclude_if=lambda network: not network),
]


class Source(StrEnum):
    DASHBOARD = "dashboard"
    API = "api"
    AGENT = "agent"
    SCHEDULE = "schedule"
    REPLAY = "replay"


class JobStatus(StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class LossReason(StrEnum):
    STALE = "stale"  # the envelope's `valid_until` was too close to start the run
    DRAINED = "drained"  # the worker shut down; not counted as an attempt
    RECLAIMED = "reclaimed"  # another worker found the entry idle
    LEASE_EXPIRED = "lease_expired"  # the sweeper, once all unread heartbeats are applied


class Progress(ValueObject):
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    message: ShortText | None = None


class Idempotency(ValueObject):
    """What the job's row stores: the user's key, the item's index, an HMAC of the body."""

    key: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=255)]
    item: Annotated[int, Field(ge=0, le=99)] = 0
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class JobMessage(Message):
    job_id: UUID
    user_id: UUID


class RunMessage(Message):
    job_id: UUID
    fence: UUID


class SubmitJob(JobMessage, on_full=OnFull.REFUSE):
    """The caller creates `job_id`, so that a repeat inserts nothing; priority 0 goes first."""

    task_type: Identifier
    payload: JsonObject
    plan: Plan
    source: Source
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    run_at: Timestamp | None = None
    deadline_ts: Timestamp | None = None
    parent_job_id: UUID | None = None
    idempotency: Idempotency | None = None
    api_key_id: UUID | None = None


class JobItem(ValueObject):
    """One job of a batch, without the fields that all of its jobs share."""

    job_id: UUID
    task_type: Identifier
    payload: JsonObject
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    run_at: Timestamp | None = None
    deadline_ts: Timestamp | None = None
    idempotency: Idempotency | None = None


class SubmitJobs(Message, on_full=OnFull.REFUSE):
    """Submitted in one transaction; each job is accepted or refused by itself."""

    user_id: UUID
    plan: Plan
    source: Source
    parent_job_id: UUID | None = None
    api_key_id: UUID | None = None
    jobs: Annotated[tuple[JobItem, ...], Field(min_length=1, max_length=100)]

    def split(self) -> tuple[SubmitJob, ...]:
        shared = self.model_dump(exclude={"jobs"})
        return tuple(SubmitJob.model_validate({**shared, **dict(item)}) for item in self.jobs)


class CancelJob(JobMessage, on_full=OnFull.REFUSE):
    """Cancels a job and its children."""


class RetryJob(JobMessage, on_full=OnFull.REFUSE):
    """Retries a failed job; the caller creates `retry_id`, so that a repeat changes nothing."""

    retry_id: UUID


class BulkAction(StrEnum):
    CANCEL = "cancel"
    RETRY = "retry"


MAX_BULK_JOBS = 5_000


class ChangeJobs(Message, on_full=OnFull.REFUSE):
    """Changes jobs one after the other; the caller creates `bulk_id`, as for a retry."""

    bulk_id: UUID
    user_id: UUID
    action: BulkAction
    job_ids: Annotated[tuple[UUID, ...], Field(max_length=MAX_BULK_JOBS)]


class ContinueBulkChange(Message, on_full=OnFull.SKIP):
    """Changes the jobs after the first `done`; the owner's timer sends one that got lost again."""

    bulk_id: UUID
    user_id: UUID
    done: Annotated[int, Field(ge=0, le=MAX_BULK_JOBS)] = 0


class PushedMeta(ValueObject):
    """`user_id` is trusted, because only the intake's Redis user can push."""

    user_id: UUID
    correlation_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=128)] | None = None
    plan: Plan = Plan.FREE
    source: Source = Source.API
    deadline_ts: Timestamp | None = None
    parent_job_id: UUID | None = None


class PushedJob(Message, on_full=OnFull.SKIP, dead_letter_fields=frozenset({"job_id"})):
    """An envelope that an external producer pushed onto the intake list.

    Fields that only the jobs service sets are ignored: fence, attempts, uploads.
    """

    job_id: UUID
    task_type: Identifier
    payload: JsonObject
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    meta: PushedMeta

    @property
    def user_id(self) -> UUID:
        return self.meta.user_id

    def as_submission(self) -> SubmitJob:
        return SubmitJob(
            job_id=self.job_id,
            user_id=self.user_id,
            task_type=self.task_type,
            payload=self.payload,
            plan=self.meta.plan,
            source=self.meta.source,
            priority=self.priority,
            deadline_ts=self.meta.deadline_ts,
            parent_job_id=self.meta.parent_job_id,
        )


class DeadlinePassed(JobMessage, on_full=OnFull.SKIP):
    """Sent by the owner's timer; skipped when the topic is full, since the timer sends it again."""


class WakeJob(JobMessage, on_full=OnFull.SKIP):
    """Wakes a waiting job that is due or, if `answered`, one whose question has an answer.

    Skipped when the topic is full, since its sender's timer sends it again.
    """

    answered: bool = False


class JobMeta(ValueObject):
    """`claim`: of all runs of a `once` task that share it, only the first to claim it acts."""

    correlation_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=128)]
    user_id: UUID
    enqueue_ts: Timestamp
    source: Source
    plan: Plan
    deadline_ts: Timestamp | None = None
    valid_until: Timestamp
    parent_job_id: UUID | None = None
    claim: Annotated[str, Field(pattern=r"^[0-9a-f.-]+$", max_length=60)] | None = None
    uploads: Uploads = Field(default_factory=dict[str, str])


class JobEnvelope(Message, on_full=OnFull.SKIP, dead_letter_fields=frozenset({"job_id", "fence"})):
    """What a worker receives; skipped when the topic is full, since the job is dispatched again."""

    job_id: UUID
    task_type: Identifier
    attempts: AttemptCount
    max_attempts: Annotated[int, Field(ge=1, le=1_000)]
    fence: UUID
    payload: JsonObject
    meta: JobMeta


class CancelRequested(Message, on_full=OnFull.SKIP):
    """Cancels one run, or any run of the job if `fence` is None."""

    job_id: UUID
    fence: UUID | None = None
    reason: Identifier = "cancelled"


class JobStarted(RunMessage, on_full=OnFull.ADMIT):
    """Starts the lease. Never dropped: a task marked `once` must not start a second time."""

    worker: Annotated[Text, Field(max_length=200)]
    started_at: Timestamp
    lease_ms: LeaseMs = 10_000


class JobHeartbeat(RunMessage, on_full=OnFull.DROP):
    lease_ms: LeaseMs = 10_000


class JobProgressed(RunMessage, on_full=OnFull.DROP):
    progress: Progress


class JobSucceeded(RunMessage, on_full=OnFull.ADMIT):
    """Carries its own times, because the messages before it may have been lost."""

    result: JsonObject | None = None
    result_ref: UploadSlot | None = None
    started_at: Timestamp
    finished_at: Timestamp
    timings_ms: Timings = Field(default_factory=dict[str, int])
    network: NetworkTraffic = ()

    @model_validator(mode="after")
    def _has_one_result(self) -> Self:
        if (self.result is None) == (self.result_ref is None):
            raise ValueError("give either result or result_ref")
        return self


class JobFailed(RunMessage, on_full=OnFull.ADMIT):
    """Also ends a cancelled run, with the reason `cancelled`."""

    failure_reason: Identifier
    last_error: ErrorText
    retryable: bool
    started_at: Timestamp | None = None
    finished_at: Timestamp
    timings_ms: Timings = Field(default_factory=dict[str, int])
    network: NetworkTraffic = ()


class JobWaiting(RunMessage, on_full=OnFull.ADMIT):
    """Ends a run whose job continues when all `child_ids` have ended, or at `until`.

    A child that does not exist counts as ended: submit children before waiting for them.
    """

    child_ids: Annotated[tuple[UUID, ...], Field(max_length=100)] = ()
    until: Timestamp | None = None
    started_at: Timestamp
    finished_at: Timestamp
    timings_ms: Timings = Field(default_factory=dict[str, int])

    @model_validator(mode="after")
    def _waits_for_something(self) -> Self:
        if not self.child_ids and self.until is None:
            raise ValueError("give child_ids or until")
        return self


class JobLost(RunMessage, on_full=OnFull.SKIP):
    """Skipped when the topic is full: the sweeper reports the same loss again."""

    reason: LossReason
    lease_until: Timestamp | None = None

    @model_validator(mode="after")
    def _names_the_lease(self) -> Self:
        if self.reason is LossReason.LEASE_EXPIRED and self.lease_until is None:
            raise ValueError("an expired lease needs lease_until")
        return self


class JobFrame(ValueObject):
    """What the dashboard's event stream shows of a job."""

    id: UUID
    status: JobStatus
    attempts: AttemptCount
    updated_at: Timestamp
    last_error: ErrorText | None = None


class JobChanged(Message, on_full=OnFull.SKIP):
    """A versioned snapshot of a job; with `progress` only the progress has changed."""

    frame: JobFrame
    user_id: UUID
    task_type: Identifier
    version: Annotated[int, Field(ge=1, le=2**63 - 1)]
    correlation_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=128)]
    progress: Progress | None = None


class JobOutcome(JobMessage, on_full=OnFull.SKIP):
    """How a child job, or a workflow itself, has ended; the owner publishes it again on request.

    A result that was uploaded is read from `result_url`, which expires.
    """

    parent_job_id: UUID | None = None
    task_type: Identifier
    status: JobStatus
    version: Annotated[int, Field(ge=1, le=2**63 - 1)]
    result: JsonObject | None = None
    result_ref: UploadSlot | None = None
    result_url: Annotated[Text, Field(max_length=4_096)] | None = None
    failure_reason: Identifier | None = None
    last_error: ErrorText | None = None
    finished_at: Timestamp
