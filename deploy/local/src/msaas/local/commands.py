"""The commands `up`, `down`, `status` and `logs`."""

import json
import os
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Iterable
from dataclasses import asdict

from msaas.embedded import LocalError
from msaas.local.console import Console, mask_password
from msaas.local.errors import AlreadyRunning, report_errors
from msaas.local.fleet import is_listening
from msaas.local.home import find_home
from msaas.local.launcher import run_launcher, start_detached, stop_launcher
from msaas.local.part_logs import follow, list_parts, read_last_lines
from msaas.local.state import PartState, find_state
from msaas.local.welcome import show_addresses

_EXIT_OK, _EXIT_FAILED = 0, 1


@report_errors
def up(argv: list[str]) -> int:
    parser = ArgumentParser("msaas up", description="Start everything; Ctrl-C stops it.")
    parser.add_argument("--detach", action="store_true", help="return when everything is ready")
    parser.add_argument("--servers", action="store_true", help="Postgres and Redis only")
    parser.add_argument("--background", action="store_true", help=SUPPRESS)
    options = parser.parse_args(argv)
    home, console = find_home(os.environ), Console()
    try:
        if options.detach:
            with home.locked():
                pass
            start_detached(home, console, servers_only=options.servers)
        else:
            run_launcher(
                home,
                os.environ,
                console,
                print_logs=not options.background,
                servers_only=options.servers,
            )
    except AlreadyRunning:
        # A second `up` is no failure: the fleet is running.
        console.print(f"already running in {home.path}")
        state = find_state(home.state_path)
        show_addresses(console, home, state.parts if state else [])
    return _EXIT_OK


@report_errors
def down(argv: list[str]) -> int:
    parser = ArgumentParser("msaas down", description="Stop what `up` started.")
    parser.add_argument("--wipe", action="store_true", help="delete the data too")
    options = parser.parse_args(argv)
    home, console = find_home(os.environ), Console()
    if not stop_launcher(home, console):
        console.print("nothing is running")
    if options.wipe and home.path.exists():
        with home.locked():
            home.wipe()
        console.print_step(f"data in {home.path} deleted")
    return _EXIT_OK


@report_errors
def status(argv: list[str]) -> int:
    parser = ArgumentParser(
        "msaas status", description="List what is running; exit with 1 if a part is down."
    )
    parser.add_argument("--json", action="store_true", help="as JSON, passwords included")
    options = parser.parse_args(argv)
    home, console = find_home(os.environ), Console()
    state = find_state(home.state_path)
    parts = state.parts if state and state.launcher.alive else []
    healthy = bool(parts) and all(_condition(part) in {"up", "done"} for part in parts)
    if options.json:
        described = [{**asdict(part), "condition": _condition(part)} for part in parts]
        console.print(json.dumps({"home": str(home.path), "healthy": healthy, "parts": described}))
    else:
        _show_table(console, parts)
    return _EXIT_OK if healthy else _EXIT_FAILED


@report_errors
def logs(argv: list[str]) -> int:
    parser = ArgumentParser("msaas logs", description="Show the logs of the parts.")
    parser.add_argument("part", nargs="?", help="only this part")
    parser.add_argument("-f", "--follow", action="store_true", help="keep printing new lines")
    parser.add_argument("-n", "--lines", type=int, default=100, metavar="N", help="how many lines")
    options = parser.parse_args(argv)
    folder, console = find_home(os.environ).logs, Console()
    known = list_parts(folder)
    if options.part and options.part not in known:
        raise LocalError(f"No logs of part `{options.part}`; available: {', '.join(known)}")
    names = [options.part] if options.part else known
    for name, line in read_last_lines(folder, names, options.lines):
        console.print_log_line(name, line)
    if options.follow:
        for name, line in follow(folder, names):
            console.print_log_line(name, line)
    return _EXIT_OK


def _condition(part: PartState) -> str:
    if part.process is None and part.ready and not part.url:
        return "done"
    if part.process is None:
        return "up" if part.ready and part.url and is_listening(part.url) else "down"
    if not part.process.alive:
        return "down"
    return "up" if part.ready else "starting"


def _show_table(console: Console, parts: Iterable[PartState]) -> None:
    rows = [("part", "state", "pid", "restarts", "address")]
    for part in parts:
        pid = str(part.process.pid) if part.process else "-"
        rows.append((part.name, _condition(part), pid, str(part.restarts), mask_password(part.url)))
    if len(rows) == 1:
        console.print("nothing is running")
        return
    for row in rows:
        console.print("{:<14} {:<9} {:>8} {:>9}  {}".format(*row))
