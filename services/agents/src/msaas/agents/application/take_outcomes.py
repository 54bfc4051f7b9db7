"""Stores how child jobs have ended, and ends the runs whose jobs have ended without them."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

from msaas.agents.application.stores import RunStore, ToolCallStore
from msaas.agents.domain.errors import RunNotFound, StaleRun
from msaas.agents.domain.runs import Ending, EndState
from msaas.contracts import JobOutcome, JobStatus
from msaas.telemetry import get_logger

MAX_DOWNLOADS: Final = 4
RESULT_UNAVAILABLE: Final = "result_unavailable"


class ResultFiles(Protocol):
    async def load(self, url: str) -> dict[str, Any] | None:
        """Return the result that was uploaded, or None where it cannot be had."""
        ...


class TakeOutcomes:
    """The first outcome of a child counts; a repeat changes nothing."""

    def __init__(self, runs: RunStore, tools: ToolCallStore, files: ResultFiles) -> None:
        self._runs = runs
        self._tools = tools
        self._files = files
        self._downloads = asyncio.Semaphore(MAX_DOWNLOADS)
        self._log = get_logger()

    async def __call__(self, outcomes: Sequence[JobOutcome]) -> None:
        await asyncio.gather(*(self._take(outcome) for outcome in outcomes))

    async def _take(self, outcome: JobOutcome) -> None:
        if outcome.parent_job_id is None:
            await self._end_run(outcome)
            return
        await self._tools.store_outcome(
            outcome.job_id, outcome.user_id, await self._describe(outcome)
        )

    async def _describe(self, outcome: JobOutcome) -> dict[str, Any]:
        described: dict[str, Any] = {
            "status": outcome.status,
            "version": outcome.version,
            "result": outcome.result,
            "failure_reason": outcome.failure_reason,
            "last_error": outcome.last_error,
        }
        if outcome.result_ref is not None and outcome.result is None:
            result = await self._load(outcome)
            described["result"] = result
            if result is None:
                described["failure_reason"] = RESULT_UNAVAILABLE
        return described

    async def _load(self, outcome: JobOutcome) -> dict[str, Any] | None:
        if outcome.result_url is None:
            return None
        async with self._downloads:
            return await self._files.load(outcome.result_url)

    async def _end_run(self, outcome: JobOutcome) -> None:
        """Jobs has the last word: a run whose job has ended does not go on."""
        if outcome.status is JobStatus.COMPLETED:
            return  # the run has stored its end before it reported it
        state: EndState = "cancelled" if outcome.status is JobStatus.CANCELLED else "failed"
        reason = None if state == "cancelled" else outcome.failure_reason or "internal"
        try:
            ending = Ending(state=state, failure_reason=reason)
            await self._runs.finish(outcome.job_id, None, ending)
        except RunNotFound:  # no worker had begun it
            self._log.debug("run_unknown", run_id=str(outcome.job_id))
        except StaleRun:  # it has ended already
            self._log.debug("run_ended_before", run_id=str(outcome.job_id))
