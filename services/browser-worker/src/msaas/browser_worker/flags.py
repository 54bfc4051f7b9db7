"""What is switched off: a task, or all that this kind of worker does."""

from typing import Protocol

from msaas.contracts import TASKS, ValueObject
from msaas.telemetry import get_logger
from msaas.worker import Action, ActionFailed, RunContext, WaitForChildren


class Flags(Protocol):
    def is_enabled(self, name: str) -> bool: ...


class StaticFlags:
    """Flags as the environment gave them, for as long as the process lives."""

    def __init__(self, names: frozenset[str]) -> None:
        self._disabled = names

    def is_enabled(self, name: str) -> bool:
        return name not in self._disabled


class FlaggedAction:
    """Asks before each run, so that whoever switches a task off need not restart anybody."""

    def __init__(self, action: Action, task_type: str, flags: Flags) -> None:
        self._action = action
        self._names = TASKS[task_type].flags
        self._flags = flags

    async def run(self, run: RunContext) -> ValueObject | dict[str, object] | WaitForChildren:
        disabled = [name for name in self._names if not self._flags.is_enabled(name)]
        if disabled:
            get_logger().warning("browser_task_refused", flags=disabled)
            message = "This task is currently disabled."
            raise ActionFailed("feature_flag_disabled", message, retryable=False)
        return await self._action.run(run)
