"""One run of one job, as the code that does the work sees it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from msaas.contracts import Artifact, JobEnvelope, Progress, ValueObject, VisitedPlace
from msaas.kernel import Clock, DependencyUnavailable, MsaasError, Overloaded

PROGRESS_INTERVAL = 1.0
SaveArtifact = Callable[[str, bytes, str], Awaitable[Artifact]]


class ActionFailed(MsaasError):
    """The work itself failed; `reason` is the job's failure reason, the message is for the user."""

    code = "internal"

    def __init__(self, reason: str, safe_message: str, *, retryable: bool) -> None:
        super().__init__(safe_message, reason=reason)
        self.reason = reason
        self.may_retry = retryable


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitForChildren:
    """An action returns it to continue in another run, when all these children have ended.

    The action stores its own state under the job's id first. The job continues at `until` in any
    case; a child that was never submitted counts as ended.
    """

    children: tuple[UUID, ...] = ()
    until: datetime | None = None


async def reject_artifact(_name: str, _content: bytes, _content_type: str) -> Artifact:
    message = "No artifact storage is configured."
    raise ActionFailed("artifacts_unavailable", message, retryable=False)


class RunCancelled(Exception):
    """The job was cancelled; raised between steps."""


class RunReleased(Exception):
    """The run stops at a point from which another worker can continue it: it does not count."""


class RunContext:
    """The parameters of a run, the time that is left, and the ways to report progress.

    Nothing here fails or waits because Redis is unavailable, except `save_artifact`.
    """

    def __init__(
        self,
        envelope: JobEnvelope,
        params: ValueObject,
        *,
        clock: Clock,
        timeout: float,
        send_progress: Callable[[Progress], Awaitable[object]],
        is_cancelled: Callable[[], Awaitable[bool]],
        save_artifact: SaveArtifact = reject_artifact,
    ) -> None:
        self.envelope = envelope
        self.params = params
        self.timings: dict[str, int] = {}
        self.network: list[VisitedPlace] = []
        self._clock = clock
        self._deadline = clock.monotonic() + timeout
        self._send_progress = send_progress
        self._is_cancelled = is_cancelled
        self._save_artifact = save_artifact
        self._pending_progress: Progress | None = None
        self._progress_task: asyncio.Task[None] | None = None

    def seconds_left(self) -> float:
        """Return the time until the task's timeout, the job's deadline or the envelope's expiry."""
        return max(0.0, self._deadline - self._clock.monotonic())

    async def report_progress(self, percent: int | None = None, message: str | None = None) -> None:
        """Report progress; of several reports within a second only the last is sent."""
        self._pending_progress = Progress(percent=percent, message=message)
        if self._progress_task is None:
            self._progress_task = asyncio.create_task(
                self._send_pending_progress(), name="progress"
            )

    async def save_artifact(self, name: str, content: bytes, content_type: str) -> Artifact:
        """Upload a file under one of the names that the catalogue gives the task.

        The action waits for the upload and fails with it.
        """
        return await self._save_artifact(name, content, content_type)

    async def raise_if_cancelled(self) -> None:
        """Call before each step: raises where the job was cancelled."""
        with suppress(DependencyUnavailable, Overloaded):
            if await self._is_cancelled():
                raise RunCancelled

    def stop_reporting(self) -> None:
        """Send no more progress: the outcome follows."""
        if self._progress_task is not None:
            self._progress_task.cancel()

    async def _send_pending_progress(self) -> None:
        while (pending := self._pending_progress) is not None:
            self._pending_progress = None
            with suppress(DependencyUnavailable, Overloaded):
                await self._send_progress(pending)
            await self._clock.sleep(PROGRESS_INTERVAL)
        self._progress_task = None


class Action(Protocol):
    """The work of one task type; it returns the catalogue's result, as a model or its fields.

    A CircuitOpen that it raises concerns a dependency of all workers: dispatch of the task type
    pauses until the circuit may close. An action handles circuits of its own process itself.
    """

    @property
    def task_type(self) -> str: ...

    async def run(self, run: RunContext) -> ValueObject | dict[str, Any] | WaitForChildren: ...
