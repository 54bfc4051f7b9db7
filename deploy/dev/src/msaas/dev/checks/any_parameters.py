"""Limits test parameters typed `Any`, in each unit and in all; the numbers may only go down."""

import ast
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping

from msaas.dev.checks.tree import Tree

BUDGETS = "deploy/dev/budgets.toml"
MAX_TOTAL = 200


def find_problems(tree: Tree) -> Iterator[str]:
    if BUDGETS not in tree.files:
        yield f"{BUDGETS}: missing"
        return
    budgets: Mapping[str, int] = tomllib.loads(tree.text(BUDGETS))["any_parameters"]
    counted = count_by_unit(tree)
    for unit in sorted({*counted, *budgets}):
        count, budget = counted[unit], budgets.get(unit, 0)
        if count > budget:
            yield f"{unit}: {count} test parameters typed Any, at most {budget}"
        elif count < budget:
            yield f"{unit}: {count} test parameters typed Any; lower its number in {BUDGETS}"
    if (total := counted.total()) > MAX_TOTAL:
        yield f"{total} test parameters typed Any in all, at most {MAX_TOTAL}"


def count_by_unit(tree: Tree) -> Counter[str]:
    counted = Counter[str]()
    for path in tree.select(".py"):
        if "/tests/" in path or path.endswith("/conftest.py"):
            unit = path.partition("/tests/")[0].removesuffix("/conftest.py")
            counted[unit] += count_any_parameters(tree.text(path))
    return +counted


def count_any_parameters(text: str) -> int:
    return sum(
        isinstance(node, ast.arg)
        and isinstance(node.annotation, ast.Name)
        and node.annotation.id == "Any"
        for node in ast.walk(ast.parse(text))
    )
