"""One run of the launcher: lock the folder, start the parts, wait for a signal, stop them.

A launcher can also be started in the background, and stopped from another process.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from msaas.embedded import ServerNotStarted
from msaas.local.console import Console
from msaas.local.fleet import Fleet, assemble
from msaas.local.home import Home
from msaas.local.part_logs import PartLog
from msaas.local.services import Services
from msaas.local.state import LauncherState, end_orphans, find_state, this_process
from msaas.local.supervisor import Supervisor
from msaas.local.welcome import show_addresses

_PAUSE = 0.05
# Longer than the drain timeouts of the parts together.
_STOP_TIMEOUT = 90.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_launcher(
    home: Home,
    environment: Mapping[str, str],
    console: Console,
    *,
    print_logs: bool,
    servers_only: bool,
    change: Callable[[Fleet], None] = lambda _fleet: None,
) -> None:
    """Run the fleet until a signal; raise AlreadyRunning when the folder is locked.

    `change` may replace and add parts before any is started.
    """
    with home.locked():
        _end_earlier_launcher(home, console)
        fleet = assemble(home, environment, console.print)
        if not servers_only:
            Services(home, environment, fleet, console.print).add()
        change(fleet)
        asyncio.run(_Launcher(home, fleet, console, print_logs=print_logs).run())


def _end_earlier_launcher(home: Home, console: Console) -> None:
    """End parts that a killed launcher left; this launcher has the lock."""
    if earlier := find_state(home.state_path):
        for name in end_orphans(earlier):
            console.print(f"ended {name}, left by a killed launcher")
    home.state_path.unlink(missing_ok=True)


class _Launcher:
    def __init__(self, home: Home, fleet: Fleet, console: Console, *, print_logs: bool) -> None:
        self._home = home
        self._fleet = fleet
        self._console = console
        self._print_logs = print_logs
        self._logs = {part.name: PartLog(home.logs, part.name) for part in fleet.parts}
        self._state = LauncherState(this_process())
        self._supervisor = Supervisor(
            fleet.parts,
            on_line=self._handle_line,
            on_event=console.print_step,
            on_change=self._save,
        )

    async def run(self) -> None:
        self._save()
        stopped = self._install_signal_handlers()
        starting = asyncio.create_task(self._start())
        waiting = asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await waiting
        finally:
            starting.cancel()
            await self._supervisor.stop()
            self._home.state_path.unlink()
            for log in self._logs.values():
                log.close()

    async def _start(self) -> None:
        began = time.monotonic()
        await self._supervisor.start()
        self._state.ready = True
        self._save()
        self._console.print_step(
            f"up in {time.monotonic() - began:.2f} s, data in {self._home.path}"
        )
        show_addresses(self._console, self._home, self._state.parts)
        if self._print_logs:
            self._console.print("Ctrl-C stops everything and keeps the data.")

    def _install_signal_handlers(self) -> asyncio.Event:
        """Drain on the first signal; kill on the second."""
        stopped = asyncio.Event()

        def on_signal() -> None:
            if stopped.is_set():
                self._supervisor.kill()
            self._console.print("stopping …")
            stopped.set()

        for stop_signal in _STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(stop_signal, on_signal)
        return stopped

    def _handle_line(self, name: str, line: bytes) -> None:
        self._logs[name].write(line)
        if self._print_logs:
            self._console.print_log_line(name, line.decode(errors="replace"))

    def _save(self) -> None:
        self._state.parts = [*self._fleet.external, *self._supervisor.states]
        self._state.write(self._home.state_path)


def start_detached(
    home: Home,
    console: Console,
    *,
    servers_only: bool = False,
    command: Sequence[str] = (sys.executable, "-m", "msaas.local", "up", "--background"),
) -> LauncherState:
    """Return the state of a background launcher once all its parts are ready."""
    home.prepare()
    only = ["--servers"] if servers_only else []
    log_path = home.logs / "launcher.log"
    with log_path.open("wb") as log:
        child = subprocess.Popen(
            [*command, *only],
            env={**os.environ, "MSAAS_HOME": str(home.path)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    shown = 0
    while True:
        ended = child.poll() is not None
        lines = log_path.read_text(errors="replace").splitlines()
        for line in lines[shown:]:
            console.print(line)
        shown = len(lines)
        state = find_state(home.state_path)
        if state and state.ready and state.launcher.alive:
            return state
        if ended:
            raise ServerNotStarted("The launcher ended before it was ready.")
        time.sleep(_PAUSE)


def stop_launcher(home: Home, console: Console) -> bool:
    """Stop the launcher of this folder and orphaned parts; return False if nothing ran."""
    state = find_state(home.state_path)
    if state is None:
        return False
    if state.launcher.alive:
        state.launcher.end(signal.SIGTERM, _STOP_TIMEOUT)
        console.print_step("launcher stopped")
    with home.locked():
        for name in end_orphans(state):
            console.print_step(f"{name} stopped")
        home.state_path.unlink(missing_ok=True)
    return True
