"""Pauses and resumes task types: by an operator's command, or because a circuit opened."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from msaas.contracts import TASKS, CircuitOpened, PauseReason, PauseTask, ResumeTask
from msaas.jobs.domain.errors import TaskTypeNotFound
from msaas.telemetry import get_logger


class TaskPause(NamedTuple):
    """Without `until` it lasts until an operator resumes the task type."""

    task_type: str
    reason: PauseReason
    note: str | None
    until: datetime | None = None


class PauseStore(Protocol):
    async def pause(self, pause: TaskPause, sent_at: datetime | None = None) -> None:
        """Begin or prolong the pause, unless it has ended since `sent_at`."""
        ...

    async def resume(self, task_type: str, sent_at: datetime | None = None) -> None:
        """End the pauses, except those that have begun since `sent_at`."""
        ...

    async def is_run_of(self, task_type: str, job_id: UUID, fence: UUID) -> bool: ...


PauseCommand = PauseTask | ResumeTask | CircuitOpened


class SetPauses:
    def __init__(self, store: PauseStore, *, request_dispatch: Callable[[], None]) -> None:
        self._store = store
        self._request_dispatch = request_dispatch
        self._log = get_logger()

    async def __call__(self, commands: Sequence[PauseCommand]) -> None:
        """Apply the commands in their order: a batch may hold a pause and its end."""
        for command in commands:
            await self._apply(command, None)

    async def repeat(self, command: PauseCommand, sent_at: datetime) -> None:
        """Apply a redelivered command, unless a later one has been applied since it was sent."""
        await self._apply(command, sent_at)

    async def _apply(self, command: PauseCommand, sent_at: datetime | None) -> None:
        match command:
            case PauseTask():
                if command.task_type not in TASKS:
                    raise TaskTypeNotFound(task_type=command.task_type)
                pause = TaskPause(command.task_type, PauseReason.FLAG, command.note)
                await self._pause(pause, sent_at)
            case CircuitOpened() if not await self._is_credible(command):
                self._log.error("pause_refused", task_type=command.task_type)
            case CircuitOpened():
                pause = TaskPause(
                    command.task_type, PauseReason.CIRCUIT, command.target, command.until
                )
                await self._pause(pause, sent_at)
            case ResumeTask():
                await self._store.resume(command.task_type, sent_at)
                self._request_dispatch()
                self._log.warning("task_resumed", task_type=command.task_type)

    async def _is_credible(self, circuit: CircuitOpened) -> bool:
        """Return whether a worker reports this of a run that it was given, of this task type."""
        if circuit.task_type not in TASKS or circuit.job_id is None or circuit.fence is None:
            return False
        return await self._store.is_run_of(circuit.task_type, circuit.job_id, circuit.fence)

    async def _pause(self, pause: TaskPause, sent_at: datetime | None) -> None:
        await self._store.pause(pause, sent_at)
        self._log.warning("task_paused", task_type=pause.task_type, reason=pause.reason)
