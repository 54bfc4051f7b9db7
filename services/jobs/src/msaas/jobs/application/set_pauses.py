"""Keeps a task type waiting, or lets it go on: on an operator's word, or a worker's news."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from msaas.contracts import CircuitOpened, PauseReason, PauseTask, ResumeTask
from msaas.telemetry import get_logger


class TaskPause(NamedTuple):
    """Without `until` it lasts until somebody ends it."""

    task_type: str
    reason: PauseReason
    note: str | None
    until: datetime | None = None


class PauseStore(Protocol):
    async def pause(self, pause: TaskPause) -> None:
        """Begin it, or go on with it: whoever asks again changes nothing."""
        ...

    async def resume(self, task_type: str) -> None: ...


PauseCommand = PauseTask | ResumeTask | CircuitOpened


class SetPauses:
    def __init__(self, store: PauseStore, *, request_dispatch: Callable[[], None]) -> None:
        self._store = store
        self._request_dispatch = request_dispatch
        self._log = get_logger()

    async def __call__(self, commands: Sequence[PauseCommand]) -> None:
        """One after the other: a pause and its end may come together."""
        for word in commands:
            match word:
                case PauseTask():
                    await self._pause(TaskPause(word.task_type, PauseReason.FLAG, word.note))
                case CircuitOpened():
                    pause = TaskPause(word.task_type, PauseReason.CIRCUIT, word.target, word.until)
                    await self._pause(pause)
                case ResumeTask():
                    await self._store.resume(word.task_type)
                    self._request_dispatch()
                    self._log.warning("task_resumed", task_type=word.task_type)

    async def _pause(self, pause: TaskPause) -> None:
        await self._store.pause(pause)
        self._log.warning("task_paused", task_type=pause.task_type, reason=pause.reason)
