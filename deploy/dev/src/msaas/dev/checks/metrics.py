"""Checks the names and labels of metrics where the code declares them (ADR-0003)."""

import ast
import re
from collections.abc import Iterator

from msaas.dev.checks.tree import Tree

METRIC_CONSTRUCTORS = re.compile(
    r"(?:counter|gauge|histogram)|(?:Counter|Gauge|Histogram|Summary)(?:MetricFamily)?"
)
METRIC_FAMILIES = re.compile(
    r"(?:msaas|http_server|jobs_browser|billing|agents|circuit|privacy|db|redis)(?:_[a-z0-9]+)+"
)
# Each of these has as many values as there are users, jobs or requests.
UNBOUNDED_LABELS = {
    "user",
    "user_id",
    "job",
    "job_id",
    "path",
    "url",
    "key",
    "email",
    "correlation_id",
}
REGISTRY_LABELS = {"service", "environment"}


def find_problems(tree: Tree) -> Iterator[str]:
    for path in tree.select(".py"):
        if "/src/msaas/" in path:
            for node in ast.walk(ast.parse(tree.text(path))):
                if isinstance(node, ast.Call):
                    yield from (
                        f"{path}:{node.lineno}: {what}" for what in find_metric_problems(node)
                    )


def find_metric_problems(call: ast.Call) -> Iterator[str]:
    kind = called_name(call.func)
    words = [string_constants(argument) for argument in call.args]
    if not METRIC_CONSTRUCTORS.fullmatch(kind) or not words or not words[0]:
        return
    name = words[0][0]
    if not METRIC_FAMILIES.fullmatch(name):
        yield f"metric {name!r} belongs to none of the families"
    if kind.lower().startswith("counter") and not name.endswith("_total"):
        yield f"counter {name!r} does not end in _total"
    if name.endswith(("_ms", "_milliseconds", "_minutes", "_kb", "_mb")):
        yield f"metric {name!r} is not in base units"
    labels = [string_constants(word.value) for word in call.keywords if word.arg == "labels"]
    for label in {label for found in [*labels, *words[1:]] for label in found}:
        if label in UNBOUNDED_LABELS:
            yield f"metric {name!r} has an unbounded label: {label}"
        if label in REGISTRY_LABELS:
            yield f"metric {name!r} sets {label!r}, which the registry stamps"


def called_name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def string_constants(expression: ast.expr) -> list[str]:
    """Read a text, or the texts of a tuple or list."""
    match expression:
        case ast.Constant(value=str(word)):
            return [word]
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [word for part in parts for word in string_constants(part)]
        case _:
            return []
