"""Starts the fleet of `./msaas chaos`: replicas of its processes, and workers that record effects.

With `--background` it is the launcher itself; without, it returns when the fleet is ready.
"""

import os
import sys
from dataclasses import replace
from functools import partial
from signal import SIGTERM
from typing import Final

from msaas.contracts import PROCESSES
from msaas.dev.chaos.counting_worker import COUNTED_TASKS
from msaas.dev.workspace import module_command
from msaas.embedded import die_with_parent_command, find_free_port, is_free
from msaas.embedded.ports import LOOPBACK
from msaas.local import Part, find_home
from msaas.local.console import Console
from msaas.local.errors import report_errors
from msaas.local.fleet import Fleet
from msaas.local.launcher import run_launcher, start_detached
from msaas.local.services import is_ready

_REPLICATED: Final = frozenset({"jobs", *COUNTED_TASKS})
_REPORTING: Final = frozenset({"billing", "billing-cron"})
_BACKGROUND: Final = "--background"


@report_errors
def main(arguments: list[str]) -> int:
    home, console = find_home(os.environ), Console()
    if _BACKGROUND in arguments:
        run_launcher(
            home, os.environ, console, print_logs=False, servers_only=False, change=_change_fleet
        )
    else:
        start_detached(home, console, command=[*module_command(__spec__.name), _BACKGROUND])
    return 0


def _change_fleet(fleet: Fleet) -> None:
    kept = [part for part in fleet.parts if part.name != "seed"]
    fleet.parts[:] = [_report_at_once(_count_effects(part)) for part in kept]
    fleet.parts.extend([_replicate(part) for part in fleet.parts if part.name in _REPLICATED])


def _count_effects(part: Part) -> Part:
    if part.name not in COUNTED_TASKS:
        return part
    command = [*module_command("msaas.dev.chaos.counting_worker"), part.name]
    return replace(part, command=partial(die_with_parent_command, command, SIGTERM))


def _report_at_once(part: Part) -> Part:
    """Let usage be reported many times in a scenario, so that faults hit reports."""
    if part.name not in _REPORTING:
        return part
    own = {"BILLING_REPORT_AFTER_SECONDS": "1"}
    return replace(part, environment=lambda: {**part.environment(), **own})


def _replicate(part: Part) -> Part:
    """Build a second process of the same kind, which has its own port and the name `<part>-2`."""
    variable, port = PROCESSES[part.name].internal_port_variable, find_free_port()

    def get_url() -> str:
        return f"http://{LOOPBACK}:{port}"

    def is_second_ready(_pid: int) -> bool:
        return is_ready(get_url())

    def choose_another_port() -> None:
        """Another fleet may have taken the port since it was found."""
        nonlocal port
        if not is_free(port):
            port = find_free_port()

    return replace(
        part,
        name=f"{part.name}-2",
        environment=lambda: {**part.environment(), variable: str(port)},
        is_ready=is_second_ready,
        prepare=choose_another_port,
        url=get_url,
        depends_on=(*part.depends_on, part.name),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
