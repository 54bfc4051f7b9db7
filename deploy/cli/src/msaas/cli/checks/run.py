"""Runs the checks side by side and says which held, how long each took, and what failed."""

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from msaas.cli.checks import (
    dead_code,
    decisions,
    dependencies,
    leaks,
    locks,
    metrics,
    modules,
    records,
    references,
    units,
)
from msaas.cli.checks.tree import Tree
from msaas.cli.house import ROOT, module, program
from msaas.cli.verbs import refuse

Check = Callable[[Tree], Iterable[str]]


def tool(*words: str) -> Check:
    """Make a check of a program that complains on its output and ends with a code."""

    def run_tool(tree: Tree) -> Iterable[str]:
        ended = subprocess.run(words, cwd=tree.root, capture_output=True, text=True, check=False)
        return [f"{ended.stdout}{ended.stderr}".strip()] if ended.returncode else []

    return run_tool


# The slowest come first, so that the others fill the time they take.
CHECKS: Mapping[str, Check] = {
    "types": tool(program("basedpyright")),
    "walls": tool(program("lint-imports"), "--no-cache"),
    "dead-code": dead_code.find_problems,
    "contracts": tool(*module("msaas.contracts.generate"), "--check"),
    "asyncapi": tool(*module("msaas.cli.asyncapi"), "--check"),
    "schema": tool(*module("msaas.cli.schema"), "--check"),
    "dependencies": dependencies.find_problems,
    "lint": tool(program("ruff"), "check", "--output-format=concise"),
    "format": tool(program("ruff"), "format", "--check"),
    "modules": modules.find_problems,
    "metrics": metrics.find_problems,
    "units": units.find_problems,
    "records": records.find_problems,
    "decisions": decisions.find_problems,
    "references": references.find_problems,
    "leaks": leaks.find_problems,
    "locks": locks.find_problems,
}


@dataclass(frozen=True)
class Outcome:
    name: str
    problems: list[str]
    seconds: float

    def __str__(self) -> str:
        verdict = "FAILED" if self.problems else "ok"
        return f"{verdict:<7} {self.name:<13} {self.seconds:5.1f} s"


def run(argv: list[str]) -> int:
    for name in argv:
        if name not in CHECKS:
            return refuse(name, CHECKS, "check")
    return run_checks({name: CHECKS[name] for name in argv or CHECKS}, Tree(ROOT))


def run_checks(checks: Mapping[str, Check], tree: Tree) -> int:
    started = time.monotonic()
    failed: list[Outcome] = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        running = [pool.submit(look, name, check, tree) for name, check in checks.items()]
        for done in as_completed(running):
            outcome = done.result()
            print(outcome, flush=True)
            failed += [outcome] if outcome.problems else []
    for outcome in failed:
        print(f"\n--- {outcome.name}", *outcome.problems, sep="\n")
    print(f"\n{len(checks) - len(failed)} of {len(checks)} checks hold", end="")
    print(f" ({time.monotonic() - started:.0f} s)")
    return 1 if failed else 0


def look(name: str, check: Check, tree: Tree) -> Outcome:
    started = time.monotonic()
    problems = list(check(tree))
    return Outcome(name, problems, time.monotonic() - started)
