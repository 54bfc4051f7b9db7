"""Runs jobs as the fleet expects it: started, beating, cancellable, and reported exactly once."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

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
from msaas.messaging import Delivery, GivenUp, Messenger, Outgoing
from msaas.telemetry import Metrics, bind, get_logger, span
from msaas.worker.cancel_marks import CancelMarks
from msaas.worker.run import Action, ActionFailed, Run, RunCancelled, Wait, keep_nothing
from msaas.worker.under_way import OUTSIDE, RESULTS, Current, UnderWay
from msaas.worker.uploads import Uploads
from msaas.worker.verdicts import (
    CANCELLED,
    OUT_OF_TIME,
    PAST_DEADLINE,
    UNAVAILABLE,
    UNEXPECTED,
    UNKNOWN_TASK,
    Failure,
    decode_params,
    failed,
    lost,
    settle_result,
)

# Reporting the start outlasts a wire that restarts; longer than that, the job is handed on.
_START_RETRY = RetryPolicy(attempts=None, budget=10.0)
_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.35, 0.6, 1.2, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_A_MOMENT = timedelta(milliseconds=50)  # by which a timer may be early


class JobWorker:
    """Registers itself for one topic of envelopes and for the fleet's cancellations."""

    def __init__(
        self,
        messenger: Messenger,
        topic: str,
        actions: Mapping[str, Action],
        *,
        slots: int,
        name: str,
        metrics: Metrics,
        clock: Clock | None = None,
        tasks: Mapping[str, Task] = TASKS,
        uploads: Uploads | None = None,
    ) -> None:
        self._cancel_marks = CancelMarks(messenger)
        self._actions = actions
        self._tasks = tasks
        self._uploads = uploads
        self._name = name
        self._clock = clock or SystemClock()
        self._under_way = UnderWay(messenger, self._clock)
        self._log = get_logger()
        self._duration = metrics.histogram(
            "msaas_job_processing_duration_seconds", "One run of a job.", ("task_type",), _BUCKETS
        )
        messenger.work(topic, self, slots=slots)

    async def run(self, delivery: Delivery) -> Sequence[Outgoing]:
        envelope = cast("JobEnvelope", delivery.message)
        facts = {"job_id": str(envelope.job_id), "task_type": envelope.task_type}
        with (
            bind(**facts, attempt=envelope.attempts + 1),
            span("jobs.process", traceparent=delivery.entry.traceparent, **facts),
        ):
            if envelope.fence in self._under_way:
                # Dispatched twice because the wire fell silent after the first: one run reports.
                self._log.warning("job_run_doubled")
                return []
            with self._under_way.enter(delivery, envelope) as current:
                verdict = await self._conclude(current)
            self._log.info("job_run_finished", **_describe(verdict))
            news = [current.news] if current.news else []
            return [delivery.emit(RESULTS, one) for one in (*news, verdict)]

    def give_up(
        self, delivery: Delivery, why: GivenUp, error: Exception | None = None
    ) -> Sequence[Outgoing]:
        """Leave the decision to the job's owner, who knows whether it had begun."""
        envelope = cast("JobEnvelope", delivery.message)
        if why is GivenUp.FAILED and not isinstance(error, OUTSIDE):
            return [delivery.emit(RESULTS, failed(envelope, UNEXPECTED, self._clock.now()))]
        is_taken_over = why is GivenUp.RECLAIMED
        reason = LossReason.RECLAIMED if is_taken_over else LossReason.DRAINED
        return [delivery.emit(RESULTS, lost(envelope, reason))]

    async def _conclude(self, current: Current) -> Message:
        envelope = current.envelope
        task, action = self._tasks.get(envelope.task_type), self._actions.get(envelope.task_type)
        if task is None or action is None:
            return failed(envelope, UNKNOWN_TASK, self._clock.now())
        if self._clock.now() + task.timeout > envelope.meta.valid_until:
            return lost(envelope, LossReason.STALE)
        try:
            return await self._carry_out(current, task, action)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # an action's own business
            failure = self._explain(current, error)
        verdict = failed(envelope, failure, self._clock.now(), current.started_at, current.timings)
        return verdict.model_copy(update={"network": tuple(current.network)})

    async def _carry_out(
        self, current: Current, task: Task, action: Action
    ) -> JobSucceeded | JobWaiting:
        run = self._make_run(current, task)
        current.timings, current.network = run.timings, run.network
        await run.check()
        if not run.seconds_left():
            raise TimeoutError
        started_at = current.started_at = await self._tell_started(current)
        self._log.debug("job_run_started")
        try:
            with self._duration.labels(task.task_type).time():
                async with asyncio.timeout(run.seconds_left()):
                    answer = await action.run(run)
                    waits = isinstance(answer, Wait)
                    settled = {} if waits else await settle_result(task, run, answer)
        finally:
            run.end()
        told: dict[str, Any] = {
            "job_id": current.envelope.job_id,
            "fence": current.envelope.fence,
            "started_at": started_at,
            "finished_at": self._clock.now(),
            "timings_ms": run.timings,
        }
        if isinstance(answer, Wait):
            return JobWaiting(child_ids=answer.children, until=answer.until, **told)
        return JobSucceeded(**settled, network=tuple(run.network), **told)

    def _explain(self, current: Current, error: BaseException) -> Failure:
        """Say why there is no result; a run that is not to be reported as failed goes on falling.

        Who was cancelled may end with any error, from whatever its clean-up ran into.
        """
        if current.is_cancelled or isinstance(error, RunCancelled):
            return CANCELLED
        if current.task.cancelling():  # this process has to go, or a peer has taken the entry over
            raise asyncio.CancelledError from error
        if isinstance(error, ActionFailed):
            return Failure.of(error)
        if isinstance(error, CircuitOpen) and current.started_at is not None:
            current.news = self._tell_of(current, error)
            return UNAVAILABLE
        if isinstance(error, TimeoutError):
            deadline = current.envelope.meta.deadline_ts
            is_past = deadline is not None and deadline - self._clock.now() <= _A_MOMENT
            return PAST_DEADLINE if is_past else OUT_OF_TIME
        if current.started_at is None:
            raise error
        self._log.error("job_run_broke", exc_info=error)
        return UNEXPECTED

    def _tell_of(self, current: Current, refused: CircuitOpen) -> CircuitOpened | None:
        """Have the task type rest for as long as the breaker does."""
        target, seconds = refused.context.get("target"), refused.context.get("retry_after")
        if not (isinstance(target, str) and isinstance(seconds, float)):
            return None
        until = self._clock.now() + timedelta(seconds=seconds)
        return CircuitOpened(task_type=current.envelope.task_type, target=target, until=until)

    def _make_run(self, current: Current, task: Task) -> Run:
        envelope, now = current.envelope, self._clock.now()
        ends = [now + task.timeout, envelope.meta.valid_until, envelope.meta.deadline_ts]

        async def tell(progress: Progress) -> None:
            job_id, fence = envelope.job_id, envelope.fence
            message = JobProgressed(job_id=job_id, fence=fence, progress=progress)
            await self._under_way.tell(current, message)

        async def is_cancelled() -> bool:
            return await self._cancel_marks(envelope.job_id)

        return Run(
            envelope,
            decode_params(task, envelope),
            clock=self._clock,
            seconds=(min(end for end in ends if end) - now).total_seconds(),
            tell=tell,
            is_cancelled=is_cancelled,
            keep=partial(self._uploads, envelope) if self._uploads else keep_nothing,
        )

    async def _tell_started(self, current: Current) -> datetime:
        """Return once the start is on the wire: a task marked once must be known to have begun."""
        job_id, fence = current.envelope.job_id, current.envelope.fence
        now = self._clock.now()
        started = JobStarted(job_id=job_id, fence=fence, worker=self._name, started_at=now)
        await _START_RETRY.run(
            lambda: self._under_way.tell(current, started), on=OUTSIDE, clock=self._clock
        )
        return now


def _describe(verdict: Message) -> Mapping[str, str]:
    match verdict:
        case JobFailed():
            return {"outcome": "failed", "reason": verdict.failure_reason}
        case JobLost():
            return {"outcome": "lost", "reason": verdict.reason}
        case JobWaiting():
            return {"outcome": "waiting"}
        case _:
            return {"outcome": "succeeded"}
