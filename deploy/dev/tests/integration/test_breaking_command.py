"""`./msaas contracts --diff REF` on a repository with a commit and a change after it."""

import json
from collections.abc import Callable

import pytest

from msaas.dev.breaking.compare import report_breaking_changes
from msaas.dev.checks import Tree

SCHEMA = "contracts/schemas/v1/Planted.json"


def test_a_break_since_a_commit_is_reported_and_ends_with_one(
    make_repository: Callable[[dict[str, str]], Tree],
    commit: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    fields = {"type": "object", "properties": {"name": {"type": "string"}}}
    make_repository({SCHEMA: json.dumps(fields)})
    commit()
    assert report_breaking_changes(make_repository({}), "HEAD") == 0
    changed = make_repository({SCHEMA: json.dumps(fields | {"required": ["name"]})})
    assert report_breaking_changes(changed, "HEAD") == 1
    assert "Planted: /name is required" in capsys.readouterr().out


def test_a_commit_that_is_not_there_ends_with_two(
    make_repository: Callable[[dict[str, str]], Tree], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_breaking_changes(make_repository({}), "--output=x") == 2
    assert "no commit" in capsys.readouterr().err
