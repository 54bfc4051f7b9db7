"""What is switched off: a task, or all that this kind of worker does."""

from typing import Protocol

from msaas.contracts import TASKS, Value
from msaas.telemetry import get_logger
from msaas.worker import Action, ActionFailed, Run, Wait


class Flags(Protocol):
    def is_enabled(self, name: str) -> bool: ...


class FlagsOff:
    """Flags as the environment gave them, for as long as the process lives."""

    def __init__(self, names: frozenset[str]) -> None:
        self._off = names

    def is_enabled(self, name: str) -> bool:
        return name not in self._off


class FlaggedAction:
    """Asks before each run, so that whoever switches a task off need not restart anybody."""

    def __init__(self, action: Action, task_type: str, flags: Flags) -> None:
        self._action = action
        self._names = TASKS[task_type].flags
        self._flags = flags

    async def run(self, run: Run) -> Value | dict[str, object] | Wait:
        off = [name for name in self._names if not self._flags.is_enabled(name)]
        if off:
            get_logger().warning("browser_task_refused", flags=off)
            words = "This task is switched off at present."
            raise ActionFailed("feature_flag_disabled", words, retryable=False)
        return await self._action.run(run)
