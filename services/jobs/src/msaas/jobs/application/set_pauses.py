"""Pauses and resumes task types: by an operator's command, or because a circuit opened."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from msaas.contracts import CircuitOpened, PauseReason, PauseTask, ResumeTask
from msaas.telemetry import get_logger


class TaskPause(NamedTuple):
    """Without `until` it lasts until an operator resumes the task type."""

    task_type: str
    reason: PauseReason
    note: str | None
    until: datetime | None = None


class PauseStore(Protocol):
    async def pause(self, pause: TaskPause) -> None:
        """Begin or prolong the pause; a repeated command changes nothing."""
        ...

    async def resume(self, task_type: str) -> None: ...


PauseCommand = PauseTask | ResumeTask | CircuitOpened


class SetPauses:
    def __init__(self, store: PauseStore, *, request_dispatch: Callable[[], None]) -> None:
        self._store = store
        self._request_dispatch = request_dispatch
        self._log = get_logger()

    async def __call__(self, commands: Sequence[PauseCommand]) -> None:
        """Apply the commands in their order: a batch may hold a pause and its end."""
        for command in commands:
            match command:
                case PauseTask():
                    await self._pause(TaskPause(command.task_type, PauseReason.FLAG, command.note))
                case CircuitOpened():
                    pause = TaskPause(
                        command.task_type, PauseReason.CIRCUIT, command.target, command.until
                    )
                    await self._pause(pause)
                case ResumeTask():
                    await self._store.resume(command.task_type)
                    self._request_dispatch()
                    self._log.warning("task_resumed", task_type=command.task_type)

    async def _pause(self, pause: TaskPause) -> None:
        await self._store.pause(pause)
        self._log.warning("task_paused", task_type=pause.task_type, reason=pause.reason)
