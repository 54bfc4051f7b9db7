"""Retired words, test parameters typed `Any`, lines of code, and the table of layers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from msaas.dev import layers
from msaas.dev.checks import Tree, any_parameters, size, words

MakeRepository = Callable[[dict[str, str]], Tree]

GLOSSARY = """# Glossary

## Retired words

| retired | use instead | still right in |
| --- | --- | --- |
| `letter` | dead letter | `dead_letter`, `capital_letter` |
| `wire` | broker | |
| `fate` | claim outcome | |

### Words with an ordinary use

| `record` | the database | database |
"""


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("def bury_letter(): ...", "bury_letter"),
        ("class ClaimFate: ...", "ClaimFate"),
        ("class HTTPWire: ...", "HTTPWire"),
        ("def send(wire): ...", "wire"),
        ("the_wire = 1", "the_wire"),
        ("self.wire = 1", "wire"),
        ("import redis as wire", "wire"),
        ("log.info('wire_lost', x=1)", "wire_lost"),
        ("metrics.counter('msaas_wire_total', 'x')", "msaas_wire_total"),
        ("dead_letter_letter = 1", "dead_letter_letter"),
    ],
)
def test_a_name_with_a_retired_word_is_found(
    make_repository: MakeRepository, code: str, name: str
) -> None:
    tree = make_repository({words.GLOSSARY: GLOSSARY, "a.py": code})
    (problem,) = words.find_problems(tree)
    assert problem.startswith(f"a.py:1: {name}: ")
    assert "is retired; use" in problem


def test_module_names_are_checked_as_well(make_repository: MakeRepository) -> None:
    files = {words.GLOSSARY: GLOSSARY, "tests/test_the_wire.py": ""}
    (problem,) = words.find_problems(make_repository(files))
    assert "test_the_wire: 'wire' is retired; use broker" in problem


@pytest.mark.parametrize(
    "code",
    [
        "for one in rows: ...",
        "x = [one for one in rows]",
        "async def f():\n    async for one in x: ...",
    ],
)
def test_a_loop_names_what_it_iterates_over(make_repository: MakeRepository, code: str) -> None:
    (problem,) = words.find_problems(make_repository({words.GLOSSARY: GLOSSARY, "a.py": code}))
    assert "`for one in`" in problem


@pytest.mark.parametrize(
    "code",
    [
        "def dead_letter(): ...",
        "class DeadLetterStream: ...",
        "wired = rewire = 1",
        "record = 'wire'",
        "other.wire.send(letter)",
        "letters: object",
        "for row in rows: ...",
    ],
)
def test_compounds_frozen_names_and_foreign_names_pass(
    make_repository: MakeRepository, code: str
) -> None:
    assert not list(words.find_problems(make_repository({words.GLOSSARY: GLOSSARY, "a.py": code})))


def test_a_missing_or_empty_glossary_is_a_failure(make_repository: MakeRepository) -> None:
    assert list(words.find_problems(make_repository({}))) == ["docs/glossary.md: missing"]
    (problem,) = words.find_problems(make_repository({words.GLOSSARY: "# Glossary\n"}))
    assert "is empty" in problem


TEST = "from typing import Any\n\ndef test_x(a: Any, b: str, *, c: Any) -> None: ...\n"


@pytest.mark.parametrize(
    ("budget", "complaint"),
    [(1, "2 test parameters typed Any, at most 1"), (3, "lower its number")],
)
def test_parameters_typed_any_are_counted_in_each_unit(
    make_repository: MakeRepository, budget: int, complaint: str
) -> None:
    budgets = f'[any_parameters]\n"libs/a" = {budget}\n'
    files = {any_parameters.BUDGETS: budgets, "libs/a/tests/unit/test_x.py": TEST}
    (problem,) = any_parameters.find_problems(make_repository(files))
    assert problem.startswith("libs/a: ")
    assert complaint in problem


def test_parameters_typed_any_have_a_limit_in_all(make_repository: MakeRepository) -> None:
    files = {
        any_parameters.BUDGETS: '[any_parameters]\n"libs/a" = 202\n',
        "libs/a/tests/unit/test_x.py": TEST * 101,
    }
    (problem,) = any_parameters.find_problems(make_repository(files))
    assert problem == "202 test parameters typed Any in all, at most 200"


def test_statements_are_printed_with_lines_and_have_a_ceiling(
    make_repository: MakeRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        any_parameters.BUDGETS: "[size]\nstatements = 2\nlines = 9\n",
        "msaas": '"""A docstring."""\n\nx = 1\n',
        "libs/a/src/a.py": "x = [\n    1,\n]\ny = 2\n",
        "libs/a/tests/test_a.py": "x = 1\n",
        "services/a/migrations/x.py": "x = 1\n",
    }
    (problem,) = size.find_problems(make_repository(files))
    assert problem.startswith("3 statements of Python")
    assert "3 statements (2 before), 7 lines (9 before)" in capsys.readouterr().out


CONTRACTS = """
[[tool.importlinter.contracts]]
name = "layers"
type = "layers"
layers = ["msaas.web", "msaas.cache | msaas.kernel"]
[[tool.importlinter.contracts]]
name = "inside a service"
type = "layers"
layers = ["entrypoints | (adapters)", "domain"]
[[tool.importlinter.contracts]]
name = "only streams imports redis"
type = "forbidden"
"""


def test_the_table_of_layers_is_generated_from_the_contracts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decision = tmp_path / layers.DECISION
    decision.parent.mkdir(parents=True)
    decision.write_text("before\n<!-- layers -->\n<!-- end of layers -->\nafter\n")
    (tmp_path / "pyproject.toml").write_text(CONTRACTS)
    assert layers.main([str(tmp_path), "--check"]) == 1
    assert "has drifted" in capsys.readouterr().err
    assert layers.main([str(tmp_path)]) == 0
    assert layers.main([str(tmp_path), "--check"]) == 0
    assert "| 2 | `msaas.cache`, `msaas.kernel` |" in decision.read_text()
    assert "inside a service: `entrypoints or adapters > domain`" in decision.read_text()


def test_a_decision_without_the_markers_is_a_failure(tmp_path: Path) -> None:
    decision = tmp_path / layers.DECISION
    decision.parent.mkdir(parents=True)
    decision.write_text("no marker\n")
    (tmp_path / "pyproject.toml").write_text(CONTRACTS)
    with pytest.raises(SystemExit, match="lacks the markers"):
        layers.main([str(tmp_path)])
