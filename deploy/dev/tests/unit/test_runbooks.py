"""Runbooks name only what exists: sections, commands, metrics, log events, settings, topics."""

import ast
import re
import shlex
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from msaas.browser_worker.config import Settings as BrowserSettings
from msaas.cli import find_commands
from msaas.cli.dead_letters import build_parser
from msaas.contracts import TASKS, TOPICS
from msaas.dev.workspace import ROOT
from msaas.jobs.settings import Settings as JobsSettings

RUNBOOKS = sorted((ROOT / "docs/runbooks").glob("runbook-*.md"))
SECTIONS = [
    *("Symptoms", "Impact", "Immediate actions", "Diagnosis", "Remediation", "Follow-up"),
]
BLOCK = re.compile(r"^ *```sh( changes)?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
VERB = re.compile(r"\./msaas ([a-z]+)([^|\n;)]*)")
PART_METRICS = re.compile(r"\b(?:msaas|jobs_browser|circuit)_[a-z_]+")
SNAKE = re.compile(r"[a-z]+(?:_[a-z0-9]+)+")
VARIABLE = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")
SERIES = ("_sum", "_count", "_bucket")

each_runbook = pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.name)


@cache
def list_code_strings() -> frozenset[str]:
    """Gather every text of the services and libraries: names of metrics, events and columns."""
    words: set[str] = set()
    folders = ("contracts", "libs/*", "services/*")
    for path in (path for folder in folders for path in ROOT.glob(f"{folder}/src/**/*.py")):
        tree = ast.parse(path.read_text())
        words |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        # A field of an answer, as it is named in the code.
        words |= {
            node.target.id
            for node in ast.walk(tree)
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        }
    return frozenset(words)


def find_unknown(names: Iterable[str]) -> list[str]:
    known = list_code_strings()
    return [
        name
        for name in names
        if strip_series_suffix(name) not in known and not is_metric_prefix(name, known)
    ]


def strip_series_suffix(name: str) -> str:
    return next((name.removesuffix(end) for end in SERIES if name.endswith(end)), name)


def is_metric_prefix(name: str, known: frozenset[str]) -> bool:
    """Return whether a prefix names a metric, as the command accepts it."""
    return name.startswith("msaas_") and any(word.startswith(f"{name}_") for word in known)


@each_runbook
def test_it_has_the_expected_sections(path: Path) -> None:
    titles = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
    assert titles == SECTIONS


@each_runbook
def test_every_metric_event_and_field_in_it_exists_in_the_code(path: Path) -> None:
    text = path.read_text()
    spans = [span for span in SPAN.findall(text) if SNAKE.fullmatch(span)]
    # What a page calls a thing (`lost_worker`) and what the logs are searched for alike.
    searched = [word for found in re.findall(r"grep -E '([^']+)'", text) for word in expand(found)]
    named = [*spans, *PART_METRICS.findall(text), *searched]
    assert named
    assert find_unknown(named) == []


def expand(pattern: str) -> list[str]:
    """Expand `a_(b|c)|d` into names."""
    if found := re.fullmatch(r"(\w+)\(([\w|]+)\)", pattern):
        return [found[1] + end for end in found[2].split("|")]
    return pattern.split("|")


@each_runbook
def test_every_setting_in_it_belongs_to_a_process(path: Path) -> None:
    settings = {f"JOBS_{name.upper()}" for name in JobsSettings.model_fields}
    settings |= {f"BROWSER_WORKER_{name.upper()}" for name in BrowserSettings.model_fields}
    flags = {flag for task in TASKS.values() for flag in task.flags}
    named = VARIABLE.findall(path.read_text())
    assert [name for name in named if name not in settings | flags] == []


@each_runbook
def test_every_topic_in_it_exists(path: Path) -> None:
    named = re.findall(r"\bjobs\.[a-z]+\b", path.read_text())
    assert [name for name in named if name not in TOPICS] == []


@each_runbook
def test_every_command_in_it_is_one_that_the_command_line_takes(path: Path) -> None:
    blocks = "\n".join(block for _, block in BLOCK.findall(path.read_text()))
    commands = VERB.findall(blocks)
    assert commands
    for verb, rest in commands:
        assert verb in find_commands()
        if verb == "dlq":
            build_parser().parse_args(shlex.split(rest))


def test_every_runbook_is_listed() -> None:
    listed = (ROOT / "docs/runbooks/README.md").read_text()
    assert [path.name for path in RUNBOOKS if path.name not in listed] == []
