"""`./msaas dashboard`: the dashboard's checks, its browser tests and its pictures."""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msaas.dev.workspace import ROOT
from msaas.embedded import LocalError
from msaas.local.chromium import ensure_chromium
from msaas.local.dashboard import (
    DashboardBuilds,
    Node,
    find_node,
    hash_files,
    run_or_report,
)
from msaas.local.home import find_home
from msaas.local.running_fleet import find_running_fleet
from msaas.local.state import find_state

FRONTEND: Final = ROOT / "frontend"
BUILDS: Final = ROOT / ".msaas" / "dashboard"
_CHECKS: Final[Mapping[str, Sequence[str]]] = {
    "lint": ("@biomejs/biome/bin/biome", "check", "."),
    "route types": ("next/dist/bin/next", "typegen"),
    "types": ("typescript/bin/tsc", "--noEmit"),
    "tests": ("vitest/vitest.mjs", "run"),
}


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./msaas dashboard", description=__doc__)
    parser.add_argument("what", choices=("check", "e2e", "screens"))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="for Playwright")
    chosen = parser.parse_args(argv)
    try:
        if chosen.what == "check":
            return check()
        return run_browser_tests(chosen.what, chosen.arguments)
    except LocalError as error:
        print(f"msaas: {error}", file=sys.stderr)
        return 1


def check() -> int:
    """Lint, check types, test and build; what passed is not run again until a file changes."""
    stamp = BUILDS / f"checked-{hash_files(FRONTEND, _list_files())}"
    if stamp.exists():
        print("msaas: the dashboard has passed its checks with this content")
        return 0
    node = find_node()
    environment = node.environment(os.environ)
    builds = DashboardBuilds(FRONTEND, BUILDS, print, run_or_report)
    builds.install(node, environment)
    for name, (program, *words) in _CHECKS.items():
        print(f"msaas: dashboard, {name}", flush=True)
        if code := _run_program(node, environment, program, *words):
            return code
    builds.ensure(node, os.environ)
    for old in BUILDS.glob("checked-*"):
        old.unlink()
    stamp.touch()
    return 0


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
    """Run one of Playwright's projects against the running fleet."""
    node = find_node()
    home = find_home(os.environ)
    fleet, state = find_running_fleet(home), find_state(home.state_path)
    urls = {part.name: part.url for part in state.parts} if state else {}
    dashboard = urls.get("dashboard")
    if fleet is None or dashboard is None:
        print("msaas: no dashboard is running: start it with `./msaas up`", file=sys.stderr)
        return 1
    environment = {
        **node.environment(os.environ),
        "CHROMIUM_PATH": str(ensure_chromium(print)),
        "DASHBOARD_URL": dashboard,
        "GATEWAY_URL": fleet.gateway_url,
        "DEMO_PASSWORD": fleet.password,
        "OPERATOR_PASSWORD": fleet.operator_password,
    }
    words = ("test", "--project", project, *arguments)
    return _run_program(node, environment, "@playwright/test/cli.js", *words)


def _run_program(node: Node, environment: Mapping[str, str], program: str, *arguments: str) -> int:
    path = FRONTEND / "node_modules" / program
    command = [str(node.program), str(path), *arguments]
    return subprocess.run(command, cwd=FRONTEND, env=dict(environment), check=False).returncode
