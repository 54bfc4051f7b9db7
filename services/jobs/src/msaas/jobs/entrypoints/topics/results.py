"""The topic jobs.results: messages of workers, peers and the sweeper as reports of runs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import orjson

from msaas.contracts import (
    MAX_INLINE_RESULT,
    CircuitOpened,
    JobFailed,
    JobHeartbeat,
    JobLost,
    JobProgressed,
    JobStarted,
    JobSucceeded,
    JobWaiting,
    Message,
)
from msaas.jobs.application.set_pauses import SetPauses
from msaas.jobs.domain.reports import (
    DEFAULT_LEASE,
    RunFailure,
    RunKey,
    RunLoss,
    RunReport,
    RunSuccess,
    RunWait,
)
from msaas.messaging import Delivery, OutgoingMessage

TOPIC: Final = "jobs.results"

Persist = Callable[
    [Sequence[RunReport], Mapping[UUID, str | None]], Awaitable[Sequence[OutgoingMessage]]
]


class ResultsHandler:
    def __init__(self, persist: Persist, set_pauses: SetPauses) -> None:
        self._persist = persist
        self._set_pauses = set_pauses

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        """Apply the last CircuitOpened of each task type, then persist the reports."""
        circuits = {
            delivery.message.task_type: delivery.message
            for delivery in batch
            if isinstance(delivery.message, CircuitOpened)
        }
        if circuits:
            await self._set_pauses(list(circuits.values()))
            batch = [d for d in batch if not isinstance(d.message, CircuitOpened)]
        return await self._handle(batch) if batch else []

    async def _handle(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        reports = [read_report(delivery.message) for delivery in batch]
        traces = {
            report.run.job_id: delivery.entry.traceparent
            for report, delivery in zip(reports, batch, strict=True)
        }
        return await self._persist(reports, traces)


def waits_for_older(delivery: Delivery) -> bool:
    """Whether a report is decided after all older ones: a peer may hold the end of a lost run."""
    return isinstance(delivery.message, JobLost)


def read_report(message: Message) -> RunReport:
    match message:
        case JobStarted():
            return RunReport(
                run=RunKey(message.job_id, message.fence),
                worker=message.worker,
                started_at=message.started_at,
                lease=timedelta(milliseconds=message.lease_ms),
            )
        case JobHeartbeat():
            lease = timedelta(milliseconds=message.lease_ms)
            return RunReport(run=RunKey(message.job_id, message.fence), lease=lease)
        case JobProgressed():
            return RunReport(
                run=RunKey(message.job_id, message.fence),
                lease=DEFAULT_LEASE,
                progress=message.progress.model_dump(),
            )
        case _:
            return _read_end(message)


def _read_end(message: Message) -> RunReport:
    match message:
        case JobSucceeded():
            return _read_success(message)
        case JobFailed():
            return _read_failure(message)
        case JobWaiting():
            return _read_wait(message)
        case JobLost():
            loss = RunLoss(reason=message.reason, lease_until=message.lease_until)
            return RunReport(run=RunKey(message.job_id, message.fence), losses=frozenset({loss}))
        case _:
            raise TypeError(f"{TOPIC} does not carry {type(message).__name__}")


def _read_success(message: JobSucceeded) -> RunReport:
    run = RunKey(message.job_id, message.fence)
    result = None if message.result is None else orjson.dumps(message.result)
    if result is not None and len(result) > MAX_INLINE_RESULT:
        return _reject_result(message, run)
    success = RunSuccess(
        result=None if result is None else result.decode(),
        result_ref=message.result_ref,
        finished_at=message.finished_at,
        timings_ms=message.timings_ms,
        network=_read_network(message),
    )
    return RunReport(run=run, started_at=message.started_at, success=success)


def _read_wait(message: JobWaiting) -> RunReport:
    wait = RunWait(
        children=message.child_ids,
        until=message.until,
        finished_at=message.finished_at,
        timings_ms=message.timings_ms,
    )
    run = RunKey(message.job_id, message.fence)
    return RunReport(run=run, started_at=message.started_at, wait=wait)


def _reject_result(message: JobSucceeded, run: RunKey) -> RunReport:
    failure = RunFailure(
        reason="result_too_large",
        error=f"The result is larger than {MAX_INLINE_RESULT // 1024} KiB.",
        retryable=False,
        finished_at=message.finished_at,
        timings_ms=message.timings_ms,
        network=_read_network(message),
    )
    return RunReport(run=run, started_at=message.started_at, failure=failure)


def _read_failure(message: JobFailed) -> RunReport:
    failure = RunFailure(
        reason=message.failure_reason,
        error=message.last_error,
        retryable=message.retryable,
        finished_at=message.finished_at,
        timings_ms=message.timings_ms,
        network=_read_network(message),
    )
    run = RunKey(message.job_id, message.fence)
    return RunReport(run=run, started_at=message.started_at, failure=failure)


def _read_network(message: JobSucceeded | JobFailed) -> str | None:
    entries = [visited.model_dump(mode="json") for visited in message.network]
    return orjson.dumps(entries).decode() if entries else None
