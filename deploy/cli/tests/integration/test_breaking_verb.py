"""`./msaas contracts --diff REF` on a repository with a commit and a change after it."""

import json
from collections.abc import Callable

import pytest

from msaas.cli.breaking.verb import report
from msaas.cli.checks import Tree

SCHEMA = "contracts/schemas/v1/Planted.json"


def test_a_break_since_a_commit_is_reported_and_ends_with_one(
    plant: Callable[[dict[str, str]], Tree],
    commit: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    fields = {"type": "object", "properties": {"name": {"type": "string"}}}
    plant({SCHEMA: json.dumps(fields)})
    commit()
    assert report(plant({}), "HEAD") == 0
    changed = plant({SCHEMA: json.dumps(fields | {"required": ["name"]})})
    assert report(changed, "HEAD") == 1
    assert "Planted: /name is required" in capsys.readouterr().out


def test_a_commit_that_is_not_there_ends_with_two(
    plant: Callable[[dict[str, str]], Tree], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(plant({}), "--output=x") == 2
    assert "no commit" in capsys.readouterr().err
