"""The launcher's state file, and whether a process in it is still the same process."""

import json
import os
import signal
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

_CLOCK_TOLERANCE = 1.0
_PAUSE = 0.02


@dataclass(frozen=True)
class ProcessId:
    """A process id and its creation time, because process ids are reused."""

    pid: int
    born: float

    @property
    def alive(self) -> bool:
        return self._find() is not None

    def end(self, stop_signal: signal.Signals, timeout: float) -> None:
        """Send the signal, and SIGKILL after the timeout."""
        self._send(stop_signal)
        if not self._ends_within(timeout):
            self._send(signal.SIGKILL)
            self._ends_within(timeout)

    def _send(self, stop_signal: signal.Signals) -> None:
        if process := self._find():
            process.send_signal(stop_signal)

    def _ends_within(self, timeout: float) -> bool:
        """Poll until the process is gone: an orphan is a zombie until its new parent reaps it."""
        deadline = time.monotonic() + timeout
        while self.alive and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        return not self.alive

    def _find(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.born) < _CLOCK_TOLERANCE
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def find_process(pid: int) -> ProcessId | None:
    try:
        return ProcessId(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


@dataclass
class PartState:
    """The state of one part; an external server has no process."""

    name: str
    url: str | None = None
    process: ProcessId | None = None
    stop_signal: int = signal.SIGTERM
    ready: bool = False
    restarts: int = 0
    start_seconds: float = 0.0


@dataclass
class LauncherState:
    launcher: ProcessId
    ready: bool = False
    parts: list[PartState] = field(default_factory=list[PartState])

    def write(self, path: Path) -> None:
        """Write atomically, readable by the owner only: URLs contain passwords."""
        unfinished = path.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(asdict(self), indent=2))
        unfinished.replace(path)


def find_state(path: Path) -> LauncherState | None:
    """Return the last launcher's state, or None when it is missing or unreadable."""
    try:
        raw = json.loads(path.read_text())
        parts = [_part_of(part) for part in raw["parts"]]
        return LauncherState(ProcessId(**raw["launcher"]), raw["ready"], parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _part_of(raw: dict[str, Any]) -> PartState:
    process = raw.pop("process")
    part = PartState(**raw)
    part.process = ProcessId(**process) if process else None
    return part


def end_orphans(state: LauncherState) -> list[str]:
    """End the parts that a killed launcher left, and return their names."""
    ended: list[str] = []
    for part in reversed(state.parts):
        if part.process and part.process.alive:
            part.process.end(signal.Signals(part.stop_signal), timeout=10)
            ended.append(part.name)
    return ended


def this_process() -> ProcessId:
    return ProcessId(os.getpid(), psutil.Process().create_time())
