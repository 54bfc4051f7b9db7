"""Starts a launcher in the background and waits until it is ready; stops one."""

import os
import signal
import subprocess
import sys
import time

from msaas.embedded import ServerNotStarted
from msaas.local.console import Console
from msaas.local.home import Home
from msaas.local.state import LauncherState, end_orphans, find_state

_PAUSE = 0.05
# Longer than the drain timeouts of the parts together.
_STOP_TIMEOUT = 90.0


def start_detached(home: Home, console: Console, *, servers_only: bool) -> LauncherState:
    """Return the state of a background launcher once all its parts are ready."""
    home.prepare()
    only = ["--servers"] if servers_only else []
    log_path = home.logs / "launcher.log"
    with log_path.open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "msaas.local", "up", "--background", *only],
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
