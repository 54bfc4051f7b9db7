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
    """What an action answers to go on later, in another run: when all these children have ended.

    What it has done so far it keeps itself, under the job's id, before it answers so. At `until` it
    goes on in any case; a child that was never submitted counts as one that has ended.
    """

    children: tuple[UUID, ...] = ()
    until: datetime | None = None


async def reject_artifact(_name: str, _content: bytes, _content_type: str) -> Artifact:
    message = "No artifact storage is configured."
    raise ActionFailed("artifacts_unavailable", message, retryable=False)


class RunCancelled(Exception):
    """Somebody wants this run to end; raised between steps."""


class RunContext:
    """What an action is given: its parameters, its time, and ways to be heard.

    Nothing here fails or waits because the wire is away: the work is worth finishing all the same.
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
        """How long until the task's time, the job's deadline or the envelope's life is over."""
        return max(0.0, self._deadline - self._clock.monotonic())

    async def report_progress(self, percent: int | None = None, message: str | None = None) -> None:
        """Say how far the run has come; of all that is said within a second the last is heard."""
        self._pending_progress = Progress(percent=percent, message=message)
        if self._progress_task is None:
            self._progress_task = asyncio.create_task(
                self._send_pending_progress(), name="progress"
            )

    async def save_artifact(self, name: str, content: bytes, content_type: str) -> Artifact:
        """Keep a file under one of the names that the catalogue gives the task.

        Here the action does wait and fail: what was to be kept is what the work is for.
        """
        return await self._save_artifact(name, content, content_type)

    async def raise_if_cancelled(self) -> None:
        """Call before each step: raises where the job was cancelled."""
        with suppress(DependencyUnavailable, Overloaded):
            if await self._is_cancelled():
                raise RunCancelled

    def stop_reporting(self) -> None:
        """Say nothing more: whatever comes now is the verdict."""
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
    """The work of one task type; answers with the catalogue's result, as a model or its fields.

    A CircuitOpen that it lets out is news of something that all workers of its kind call: the task
    type rests until the circuit may close. What is one process's own it waits for itself.
    """

    @property
    def task_type(self) -> str: ...

    async def run(self, run: RunContext) -> ValueObject | dict[str, Any] | WaitForChildren: ...
