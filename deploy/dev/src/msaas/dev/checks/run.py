"""Runs the checks in parallel and prints which passed, how long each took, and what failed."""

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from msaas.cli.commands import report_unknown_name
from msaas.dev.checks import (
    any_parameters,
    dead_code,
    decisions,
    dependencies,
    leaks,
    locks,
    metrics,
    modules,
    records,
    references,
    size,
    units,
    words,
)
from msaas.dev.checks.tree import Tree
from msaas.dev.workspace import ROOT, module_command, tool_path

RepositoryCheck = Callable[[Tree], Iterable[str]]


def tool_check(*words: str) -> RepositoryCheck:
    """Return a check that runs a program; its output is the problem when its exit code is not 0."""

    def run_tool(tree: Tree) -> Iterable[str]:
        ended = subprocess.run(words, cwd=tree.root, capture_output=True, text=True, check=False)
        return [f"{ended.stdout}{ended.stderr}".strip()] if ended.returncode else []

    return run_tool


# The slowest come first, so that the others fill the time they take.
CHECKS: Mapping[str, RepositoryCheck] = {
    "types": tool_check(tool_path("basedpyright")),
    "walls": tool_check(tool_path("lint-imports"), "--no-cache"),
    "dead-code": dead_code.find_problems,
    "contracts": tool_check(*module_command("msaas.contracts.generate"), "--check"),
    "asyncapi": tool_check(*module_command("msaas.dev.asyncapi"), "--check"),
    "layers": tool_check(*module_command("msaas.dev.layers"), "--check"),
    "images": tool_check(*module_command("msaas.dev.delivery.generate"), "--check"),
    "schema": tool_check(*module_command("msaas.dev.schema"), "--check"),
    "dependencies": dependencies.find_problems,
    "lint": tool_check(tool_path("ruff"), "check", "--output-format=concise"),
    "format": tool_check(tool_path("ruff"), "format", "--check"),
    "modules": modules.find_problems,
    "metrics": metrics.find_problems,
    "words": words.find_problems,
    "any-parameters": any_parameters.find_problems,
    "size": size.find_problems,
    "units": units.find_problems,
    "records": records.find_problems,
    "decisions": lambda tree: decisions.find_problems(tree, CHECKS),
    "references": references.find_problems,
    "leaks": leaks.find_problems,
    "locks": locks.find_problems,
}


@dataclass(frozen=True)
class CheckResult:
    name: str
    problems: list[str]
    seconds: float

    def __str__(self) -> str:
        status = "FAILED" if self.problems else "ok"
        return f"{status:<7} {self.name:<15} {self.seconds:5.1f} s"


def run(argv: list[str]) -> int:
    for name in argv:
        if name not in CHECKS:
            return report_unknown_name(name, CHECKS, "check")
    return run_checks({name: CHECKS[name] for name in argv or CHECKS}, Tree(ROOT))


def run_checks(checks: Mapping[str, RepositoryCheck], tree: Tree) -> int:
    started = time.monotonic()
    failed: list[CheckResult] = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        running = [pool.submit(run_check, name, check, tree) for name, check in checks.items()]
        for done in as_completed(running):
            outcome = done.result()
            print(outcome, flush=True)
            failed += [outcome] if outcome.problems else []
    for outcome in failed:
        print(f"\n--- {outcome.name}", *outcome.problems, sep="\n")
    print(f"\n{len(checks) - len(failed)} of {len(checks)} checks passed", end="")
    print(f" ({time.monotonic() - started:.0f} s)")
    return 1 if failed else 0


def run_check(name: str, check: RepositoryCheck, tree: Tree) -> CheckResult:
    started = time.monotonic()
    problems = list(check(tree))
    return CheckResult(name, problems, time.monotonic() - started)
