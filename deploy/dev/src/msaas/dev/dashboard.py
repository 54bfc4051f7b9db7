"""`./msaas dashboard`: the dashboard's checks, its browser tests and its pictures."""

import argparse
import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msaas.dev.bundle_budget import find_overruns, measure_routes, read_budget, write_budget
from msaas.dev.chaos.isolated_fleet import start_dashboard_fleet
from msaas.dev.workspace import ROOT
from msaas.embedded import LocalError
from msaas.local import Home
from msaas.local.chromium import ensure_chromium
from msaas.local.dashboard import (
    DashboardBuilds,
    Node,
    find_node,
    hash_files,
    run_or_report,
)
from msaas.local.home import find_home
from msaas.local.running_fleet import RunningFleet, find_running_fleet
from msaas.local.state import find_state

FRONTEND: Final = ROOT / "frontend"
BUILDS: Final = ROOT / ".msaas" / "dashboard"
BUDGET: Final = FRONTEND / "bundle-budget.json"
_CHECKS: Final[Mapping[str, Sequence[str]]] = {
    "lint": ("@biomejs/biome/bin/biome", "check", "."),
    "route types": ("next/dist/bin/next", "typegen"),
    "types": ("typescript/bin/tsc", "--noEmit"),
    "tests": ("vitest/vitest.mjs", "run"),
}


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./msaas dashboard", description=__doc__)
    parser.add_argument("what", choices=("check", "test", "budget", "e2e", "screens"))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="for Playwright")
    chosen = parser.parse_args(argv)
    try:
        if chosen.what == "check":
            return check()
        if chosen.what == "test":
            return test(chosen.arguments)
        if chosen.what == "budget":
            return store_budget()
        return run_browser_tests(chosen.what, chosen.arguments)
    except LocalError as error:
        print(f"msaas: {error}", file=sys.stderr)
        return 1


def test(arguments: Sequence[str]) -> int:
    """Run the checks, then the browser tests against a fleet of their own."""
    if code := check():
        return code
    print("msaas: dashboard, browser tests", flush=True)
    with start_dashboard_fleet() as fleet:
        urls = fleet.url("dashboard"), fleet.url("stripe")
        return _drive(fleet.running, *urls, "e2e", arguments)


def check() -> int:
    """Lint, check types, test and build; what passed is not run again until a file changes."""
    stamp = BUILDS / f"checked-{hash_files(FRONTEND, _list_files())}"
    if stamp.exists():
        print("msaas: the dashboard has passed its checks with this content")
        return 0
    node = find_node()
    environment = node.environment(os.environ)
    builds = _builds()
    builds.install(node, environment)
    for name, (program, *words) in _CHECKS.items():
        print(f"msaas: dashboard, {name}", flush=True)
        if code := _run_program(node, environment, program, *words):
            return code
    sizes = measure_routes(builds.ensure(node, os.environ))
    if overruns := find_overruns(read_budget(BUDGET), sizes):
        print("\n".join(overruns), file=sys.stderr)
        print("msaas: `./msaas dashboard budget` accepts the present sizes", file=sys.stderr)
        return 1
    for old in BUILDS.glob("checked-*"):
        old.unlink()
    stamp.touch()
    return 0


def store_budget() -> int:
    """Store the present sizes of the routes as their budget."""
    write_budget(BUDGET, measure_routes(_builds().ensure(find_node(), os.environ)))
    return 0


def _builds() -> DashboardBuilds:
    return DashboardBuilds(FRONTEND, BUILDS, print, run_or_report)


def _list_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
        cwd=FRONTEND,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    paths = (FRONTEND / name for name in listed.stdout.splitlines())
    return sorted(path for path in paths if path.is_file())


def run_browser_tests(project: str, arguments: Sequence[str]) -> int:
    """Run one of Playwright's projects against the running fleet, or one of its own."""
    with _find_or_start_fleet() as (fleet, dashboard, stripe):
        return _drive(fleet, dashboard, stripe, project, arguments)


@contextmanager
def _find_or_start_fleet() -> Generator[tuple[RunningFleet, str, str | None]]:
    home = find_home(os.environ)
    fleet, dashboard = find_running_fleet(home), _find_url(home, "dashboard")
    if fleet and dashboard:
        yield fleet, dashboard, _find_url(home, "stripe")
        return
    print("msaas: no dashboard is running: starting a fleet for the tests", flush=True)
    with start_dashboard_fleet() as started:
        yield started.running, started.url("dashboard"), started.url("stripe")


def _find_url(home: Home, name: str) -> str | None:
    state = find_state(home.state_path)
    parts = state.parts if state and state.launcher.alive else []
    return next((part.url for part in parts if part.name == name), None)


def _drive(
    fleet: RunningFleet,
    dashboard: str,
    stripe: str | None,
    project: str,
    arguments: Sequence[str],
) -> int:
    node = find_node()
    environment = {
        **node.environment(os.environ),
        "CHROMIUM_PATH": str(ensure_chromium(print)),
        "DASHBOARD_URL": dashboard,
        "GATEWAY_URL": fleet.gateway_url,
        "SITE_URL": fleet.site_url,
        "STRIPE_URL": stripe or "",
        "DEMO_PASSWORD": fleet.password,
        "OPERATOR_PASSWORD": fleet.operator_password,
    }
    words = ("test", f"--project={project}", *arguments)
    return _run_program(node, environment, "@playwright/test/cli.js", *words)


def _run_program(node: Node, environment: Mapping[str, str], program: str, *arguments: str) -> int:
    path = FRONTEND / "node_modules" / program
    command = [str(node.program), str(path), *arguments]
    return subprocess.run(command, cwd=FRONTEND, env=dict(environment), check=False).returncode
