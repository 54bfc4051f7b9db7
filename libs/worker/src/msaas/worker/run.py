"""One run of one job, as the code that does the work sees it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from msaas.contracts import Artifact, JobEnvelope, Progress, Value, VisitedPlace
from msaas.kernel import Clock, DependencyUnavailable, MsaasError, Overloaded

PROGRESS_EVERY = 1.0
Keep = Callable[[str, bytes, str], Awaitable[Artifact]]


class ActionFailed(MsaasError):
    """The work itself failed; `reason` is the job's failure reason, the message is for the user."""

    code = "internal"

    def __init__(self, reason: str, safe_message: str, *, retryable: bool) -> None:
        super().__init__(safe_message, reason=reason)
        self.reason = reason
        self.may_retry = retryable


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What an action answers to go on later, in another run: when all these children have ended.

    What it has done so far it keeps itself, under the job's id, before it answers so. At `until` it
    goes on in any case; a child that was never submitted counts as one that has ended.
    """

    children: tuple[UUID, ...] = ()
    until: datetime | None = None


async def keep_nothing(_name: str, _content: bytes, _content_type: str) -> Artifact:
    words = "There is no place to keep files."
    raise ActionFailed("artifacts_unavailable", words, retryable=False)


class RunCancelled(Exception):
    """Somebody wants this run to end; raised between steps."""


class Run:
    """What an action is given: its parameters, its time, and ways to be heard.

    Nothing here fails or waits because the wire is away: the work is worth finishing all the same.
    """

    def __init__(
        self,
        envelope: JobEnvelope,
        params: Value,
        *,
        clock: Clock,
        seconds: float,
        tell: Callable[[Progress], Awaitable[object]],
        is_cancelled: Callable[[], Awaitable[bool]],
        keep: Keep = keep_nothing,
    ) -> None:
        self.envelope = envelope
        self.params = params
        self.timings: dict[str, int] = {}
        self.network: list[VisitedPlace] = []
        self._clock = clock
        self._ends_at = clock.monotonic() + seconds
        self._tell = tell
        self._is_cancelled = is_cancelled
        self._keep = keep
        self._latest: Progress | None = None
        self._telling: asyncio.Task[None] | None = None

    def seconds_left(self) -> float:
        """How long until the task's time, the job's deadline or the envelope's life is over."""
        return max(0.0, self._ends_at - self._clock.monotonic())

    async def progress(self, percent: int | None = None, message: str | None = None) -> None:
        """Say how far the run has come; of all that is said within a second the last is heard."""
        self._latest = Progress(percent=percent, message=message)
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell_the_latest(), name="progress")

    async def keep(self, name: str, content: bytes, content_type: str) -> Artifact:
        """Keep a file under one of the names that the catalogue gives the task.

        Here the action does wait and fail: what was to be kept is what the work is for.
        """
        return await self._keep(name, content, content_type)

    async def check(self) -> None:
        """Call before each step: raises where the job was cancelled."""
        with suppress(DependencyUnavailable, Overloaded):
            if await self._is_cancelled():
                raise RunCancelled

    def end(self) -> None:
        """Say nothing more: whatever comes now is the verdict."""
        if self._telling is not None:
            self._telling.cancel()

    async def _tell_the_latest(self) -> None:
        while (latest := self._latest) is not None:
            self._latest = None
            with suppress(DependencyUnavailable, Overloaded):
                await self._tell(latest)
            await self._clock.sleep(PROGRESS_EVERY)
        self._telling = None


class Action(Protocol):
    """The work of one task type; answers with the catalogue's result, as a model or its fields.

    A CircuitOpen that it lets out is news of something that all workers of its kind call: the task
    type rests until the circuit may close. What is one process's own it waits for itself.
    """

    async def run(self, run: Run) -> Value | dict[str, Any] | Wait: ...
