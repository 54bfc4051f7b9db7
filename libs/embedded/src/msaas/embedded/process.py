"""The base of embedded servers: a folder, a port, a child process that ends with its parent."""

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from msaas.embedded.errors import ServerNotStarted
from msaas.embedded.ports import find_free_port

_DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")
_LOG_TAIL = 1500


def die_with_parent_command(
    command: list[str], death_signal: signal.Signals, user: str | None = None
) -> list[str]:
    """Return the command that runs `command` as `user` and ends it when this process ends."""
    wrapper = [
        sys.executable,
        "-I",
        "-S",
        str(_DIE_WITH_PARENT),
        str(os.getpid()),
        str(int(death_signal)),
    ]
    return [*wrapper, user or "-", *command]


class EmbeddedServer(ABC):
    """A server that lives in one folder.

    Tests use `start`, `stop` and `kill`; the launcher uses `prepare`, `command` and `is_ready` and
    supervises the process itself.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, folder: Path, port: int, config: Mapping[str, str]) -> None:
        self.folder = folder.absolute()
        self.port = port
        self.config = dict(config)
        self.has_served = False
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Create folder and configuration; call it before each start."""

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def _is_serving(self, pid: int) -> bool:
        """Return whether process `pid`, not another process on its port, is serving."""

    def is_ready(self, pid: int) -> bool:
        serves = self._is_serving(pid)
        self.has_served = self.has_served or serves
        return serves

    @property
    @abstractmethod
    def url(self) -> str: ...

    @property
    def environment(self) -> dict[str, str]:
        # A server must not depend on which locales the machine happens to have.
        return {**os.environ, "LC_ALL": "C"}

    @property
    def log_path(self) -> Path:
        return self.folder / "server.log"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerNotStarted(f"{self.name} was not started")
        return self._process.pid

    def start(self, timeout: float = 10.0) -> None:
        if self.running:
            return
        deadline = time.monotonic() + timeout
        self.prepare()
        self._spawn()
        while not self.is_ready(self.pid):
            if not self.running and self._may_retry():
                self._spawn()
            if not self.running or time.monotonic() > deadline:
                self.kill()
                raise ServerNotStarted(f"{self.name} did not start:\n{self._log_tail()}")
            time.sleep(0.01)

    def stop(self, timeout: float = 10.0) -> None:
        """Send the stop signal, then kill after `timeout` seconds."""
        if self._process is None:
            return
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Send SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _choose_port(self) -> None:
        """Choose a free port once, so that the address survives a restart."""
        if not self.port:
            self.port = find_free_port()

    def _spawn(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
            )

    def _may_retry(self) -> bool:
        """Return whether the start failed only because the previous process had not ended yet."""
        return False

    def _log_tail(self) -> str:
        return self.log_path.read_bytes()[-_LOG_TAIL:].decode(errors="replace")
