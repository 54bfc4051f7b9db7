"""Runs jobs: reports their start, heartbeats and outcome, and cancels them on request."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from traceback import extract_tb
from typing import Any, Protocol, cast

from msaas.contracts import (
    TASKS,
    CircuitOpened,
    JobEnvelope,
    JobFailed,
    JobLost,
    JobProgressed,
    JobStarted,
    JobSucceeded,
    JobWaiting,
    LossReason,
    Message,
    Progress,
    Task,
)
from msaas.kernel import CircuitOpen, Clock, RetryPolicy, SystemClock
from msaas.messaging import Delivery, Messenger, OutgoingMessage
from msaas.telemetry import Metrics, bind, get_logger, span
from msaas.worker.active_runs import DEPENDENCY_ERRORS, RESULTS_TOPIC, ActiveRun, ActiveRuns
from msaas.worker.artifact_uploads import ArtifactUploader
from msaas.worker.cancellation import CancellationChecker
from msaas.worker.claims import claim_run
from msaas.worker.outcomes import (
    CANCELLED,
    DEADLINE_EXCEEDED,
    DEPENDENCY_UNAVAILABLE,
    FEATURE_DISABLED,
    INTERNAL_ERROR,
    TIMED_OUT,
    UNKNOWN_TASK,
    RunFailure,
    build_job_failed,
    build_job_lost,
    build_result_fields,
    decode_params,
)
from msaas.worker.run_context import (
    Action,
    ActionFailed,
    RunCancelled,
    RunContext,
    RunReleased,
    WaitForChildren,
    reject_artifact,
)
from msaas.worker.work_consumer import AbandonReason, WorkConsumer

# Longer than a restart of Redis; after that the job is released to another worker.
_START_RETRY = RetryPolicy(attempts=None, budget=10.0)
_DURATION_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.35, 0.6, 1.2, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_TIMER_TOLERANCE = timedelta(milliseconds=50)  # a timer may fire early by this much


class TaskFlags(Protocol):
    def find_disabled(self, names: Collection[str]) -> str | None: ...


class JobWorker:
    """Consumes one topic of envelopes and the broadcast of cancellations."""

    def __init__(
        self,
        messenger: Messenger,
        topic: str,
        actions: Iterable[Action],
        *,
        slots: int,
        name: str,
        metrics: Metrics,
        clock: Clock | None = None,
        tasks: Mapping[str, Task] = TASKS,
        uploader: ArtifactUploader | None = None,
        flags: TaskFlags | None = None,
    ) -> None:
        messenger.publisher.require_topics(RESULTS_TOPIC)
        self._messenger = messenger
        self._cancellation_checker = CancellationChecker(messenger)
        self._actions = {action.task_type: action for action in actions}
        self._tasks = tasks
        self._uploader = uploader
        self._flags = flags
        self._name = name
        self._clock = clock or SystemClock()
        self._active_runs = ActiveRuns(messenger, self._clock)
        self._log = get_logger()
        self._duration = metrics.histogram(
            "msaas_job_processing_duration_seconds",
            "One run of a job.",
            ("task_type",),
            _DURATION_BUCKETS,
        )
        messenger.add_consumer(WorkConsumer(messenger.context, topic, self, concurrency=slots))

    async def run(self, delivery: Delivery) -> Sequence[OutgoingMessage]:
        envelope = cast("JobEnvelope", delivery.message)
        log_fields = {"job_id": str(envelope.job_id), "task_type": envelope.task_type}
        with (
            bind(**log_fields, attempt=envelope.attempts + 1),
            span("jobs.process", traceparent=delivery.entry.traceparent, **log_fields),
        ):
            if envelope.fence in self._active_runs:
                # Dispatched twice because Redis failed after the first: the first run reports.
                self._log.warning("job_run_duplicated")
                return []
            with self._active_runs.track(delivery, envelope) as current:
                outcome = await self._execute(current)
            self._log.info("job_run_finished", **_build_log_fields(outcome))
            extra_messages = [current.extra_message] if current.extra_message else []
            return [delivery.emit(RESULTS_TOPIC, message) for message in (*extra_messages, outcome)]

    def on_abandoned(
        self, delivery: Delivery, reason: AbandonReason, error: Exception | None = None
    ) -> Sequence[OutgoingMessage]:
        """Report the run as lost: the jobs service knows whether it had started and decides."""
        envelope = cast("JobEnvelope", delivery.message)
        if reason is AbandonReason.FAILED and not isinstance(error, DEPENDENCY_ERRORS):
            return [
                delivery.emit(
                    RESULTS_TOPIC, build_job_failed(envelope, INTERNAL_ERROR, self._clock.now())
                )
            ]
        was_reclaimed = reason is AbandonReason.RECLAIMED
        loss_reason = LossReason.RECLAIMED if was_reclaimed else LossReason.DRAINED
        return [delivery.emit(RESULTS_TOPIC, build_job_lost(envelope, loss_reason))]

    async def _execute(self, current: ActiveRun) -> Message:
        envelope = current.envelope
        task, action = self._tasks.get(envelope.task_type), self._actions.get(envelope.task_type)
        if task is None or action is None:
            return build_job_failed(envelope, UNKNOWN_TASK, self._clock.now())
        if flag := self._flags and self._flags.find_disabled(task.flags):
            self._log.warning("job_run_refused", flag=flag)
            return build_job_failed(envelope, FEATURE_DISABLED, self._clock.now())
        current.clock_lead = await self._measure_clock_lead()
        now = self._clock.now() - current.clock_lead
        if now + task.timeout > envelope.meta.valid_until:
            return build_job_lost(envelope, LossReason.STALE)
        try:
            return await self._run_action(current, task, action)
        except RunReleased:
            return build_job_lost(envelope, LossReason.DRAINED)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # an action may raise anything
            failure = self._classify_error(current, error)
        outcome = build_job_failed(
            envelope, failure, self._clock.now(), current.started_at, current.timings
        )
        return outcome.model_copy(update={"network": tuple(current.network)})

    async def _measure_clock_lead(self) -> timedelta:
        """Return how far this host's clock is ahead of Redis, by which limits are judged."""
        now_ms = await _START_RETRY.run(
            self._messenger.context.broker.now_ms, retry_on=DEPENDENCY_ERRORS, clock=self._clock
        )
        return self._clock.now() - datetime.fromtimestamp(now_ms / 1000, UTC)

    async def _run_action(
        self, current: ActiveRun, task: Task, action: Action
    ) -> JobSucceeded | JobWaiting | JobLost:
        context = self._build_run_context(current, task)
        current.timings, current.network = context.timings, context.network
        await context.raise_if_cancelled()
        if not context.seconds_left():
            raise TimeoutError
        if not await self._claim(current, task):
            self._log.warning("job_run_claimed_by_another")
            return build_job_lost(current.envelope, LossReason.RECLAIMED)
        started_at = current.started_at = await self._report_started(current)
        self._log.debug("job_run_started")
        try:
            with self._duration.labels(task.task_type).time():
                async with asyncio.timeout(context.seconds_left()):
                    result = await action.run(context)
                    is_waiting = isinstance(result, WaitForChildren)
                    result_fields = (
                        {} if is_waiting else await build_result_fields(task, context, result)
                    )
        finally:
            context.stop_reporting()
        outcome_fields: dict[str, Any] = {
            "job_id": current.envelope.job_id,
            "fence": current.envelope.fence,
            "started_at": started_at,
            "finished_at": self._clock.now(),
            "timings_ms": context.timings,
        }
        if isinstance(result, WaitForChildren):
            return JobWaiting(child_ids=result.children, until=result.until, **outcome_fields)
        return JobSucceeded(**result_fields, network=tuple(context.network), **outcome_fields)

    def _classify_error(self, current: ActiveRun, error: BaseException) -> RunFailure:
        """Return the failure to report; an error that is not a failure of the job is raised again.

        A cancelled run may end with any error, because its clean-up may fail.
        """
        if current.is_cancelled or isinstance(error, RunCancelled):
            return CANCELLED
        if (
            current.task.cancelling()
        ):  # the process is draining, or another worker has claimed the entry
            raise asyncio.CancelledError from error
        if isinstance(error, ActionFailed):
            return RunFailure.from_error(error)
        if isinstance(error, CircuitOpen) and current.started_at is not None:
            current.extra_message = self._build_circuit_opened(current, error)
            return DEPENDENCY_UNAVAILABLE
        if isinstance(error, TimeoutError):
            deadline = current.envelope.meta.deadline_ts
            now = self._clock.now() - current.clock_lead
            is_past = deadline is not None and deadline - now <= _TIMER_TOLERANCE
            return DEADLINE_EXCEEDED if is_past else TIMED_OUT
        if current.started_at is None:
            raise error
        # The text of an action's own error may hold what a user or a page has given.
        self._log.error(
            "job_run_crashed",
            error_type=type(error).__name__,
            raised_in=[f"{frame.name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)],
        )
        return INTERNAL_ERROR

    def _build_circuit_opened(self, current: ActiveRun, error: CircuitOpen) -> CircuitOpened | None:
        """Pause dispatch of the task type for as long as the circuit is open."""
        target, seconds = error.context.get("target"), error.context.get("retry_after")
        if not (isinstance(target, str) and isinstance(seconds, float)):
            return None
        until = self._clock.now() + timedelta(seconds=seconds)
        run = current.envelope
        return CircuitOpened(
            job_id=run.job_id,
            fence=run.fence,
            task_type=run.task_type,
            target=target,
            until=until,
        )

    def _build_run_context(self, current: ActiveRun, task: Task) -> RunContext:
        envelope, now = current.envelope, self._clock.now() - current.clock_lead
        deadlines = [now + task.timeout, envelope.meta.valid_until, envelope.meta.deadline_ts]

        async def send_progress(progress: Progress) -> None:
            job_id, fence = envelope.job_id, envelope.fence
            message = JobProgressed(job_id=job_id, fence=fence, progress=progress)
            await self._active_runs.publish(current, message)

        async def is_cancelled() -> bool:
            return await self._cancellation_checker(envelope.job_id)

        return RunContext(
            envelope,
            decode_params(task, envelope),
            clock=self._clock,
            timeout=(min(end for end in deadlines if end) - now).total_seconds(),
            send_progress=send_progress,
            is_cancelled=is_cancelled,
            save_artifact=partial(self._uploader, envelope) if self._uploader else reject_artifact,
        )

    async def _claim(self, current: ActiveRun, task: Task) -> bool:
        return await _START_RETRY.run(
            lambda: claim_run(self._messenger, task, current.delivery, current.envelope),
            retry_on=DEPENDENCY_ERRORS,
            clock=self._clock,
        )

    async def _report_started(self, current: ActiveRun) -> datetime:
        """Return once the start is published: the start of a `once` task must be known."""
        job_id, fence = current.envelope.job_id, current.envelope.fence
        now = self._clock.now()
        started = JobStarted(job_id=job_id, fence=fence, worker=self._name, started_at=now)
        await _START_RETRY.run(
            lambda: self._active_runs.publish(current, started),
            retry_on=DEPENDENCY_ERRORS,
            clock=self._clock,
        )
        return now


def _build_log_fields(outcome: Message) -> Mapping[str, str]:
    match outcome:
        case JobFailed():
            return {"outcome": "failed", "reason": outcome.failure_reason}
        case JobLost():
            return {"outcome": "lost", "reason": outcome.reason}
        case JobWaiting():
            return {"outcome": "waiting"}
        case _:
            return {"outcome": "succeeded"}
