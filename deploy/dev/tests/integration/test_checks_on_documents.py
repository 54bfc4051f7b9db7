"""Records, decisions and references: prose that has to stay true."""

from collections.abc import Callable

import pytest

from msaas.dev.checks import Tree, decisions, records, references
from msaas.dev.record import write_record

MakeRepository = Callable[[dict[str, str]], Tree]
MakeRecord = Callable[..., str]

FIRST = "docs/records/2026-01-02-first.md"
EVERYTHING = "`docs/**`"


def complaints(tree: Tree) -> str:
    return "\n".join(records.find_problems(tree))


def test_a_record_that_lists_every_file_passes(
    make_repository: MakeRepository, record: MakeRecord
) -> None:
    dynamic = "app/[id]/page.tsx"  # as a pattern it would name another file
    listed = record(EVERYTHING, "`a.py`", f"`{dynamic}`", "`gone.py` (removed)")
    files = {FIRST: listed, "a.py": "", dynamic: ""}
    assert not complaints(make_repository(files))


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("docs/records/first.md", "", "", "is not named YYYY-MM-DD-short-key.md"),
        (FIRST, "## Summary\n", "", "its headings are"),
        (FIRST, "- ADR-0005: agrees.\n", "", "agrees with ADR-0005"),
        (FIRST, "- ADR-0005: agrees.\n", "- ADR-0005\n", "agrees with ADR-0005"),
        (FIRST, "- `a.py`\n", "", "a.py: no record lists it"),
        (FIRST, "`a.py`", "`a.py`\n- `b.py`", "b.py: a record lists it, but it is neither"),
    ],
)
def test_what_a_record_lacks_is_named(
    make_repository: MakeRepository,
    record: MakeRecord,
    name: str,
    old: str,
    new: str,
    complaint: str,
) -> None:
    text = record(EVERYTHING, "`a.py`").replace(old, new)
    assert complaint in complaints(make_repository({name: text, "a.py": ""}))


def test_no_record_at_all_is_a_failure(make_repository: MakeRepository) -> None:
    assert "holds no record" in complaints(make_repository({}))


def test_the_newest_record_lists_what_git_lists(
    make_repository: MakeRepository, record: MakeRecord, commit: Callable[[], None]
) -> None:
    template = record().replace("# Ground", "# Name")
    first = {FIRST: record("`**`"), "docs/records/TEMPLATE.md": template, "a.py": "", "b.py": ""}
    tree = make_repository(first)
    commit()
    since = tree.git("rev-parse", "HEAD").strip()
    make_repository({"a.py": "changed", "new.py": ""})
    path = write_record(tree, "second", since)
    assert path.endswith("-second.md")
    assert records.LISTED.findall(tree.text(path)) == [("a.py", ""), (path, ""), ("new.py", "")]
    assert not complaints(make_repository({}))
    make_repository({"b.py": "changed"})
    assert complaints(make_repository({})) == f"b.py: changed, but {path} does not list it"
    assert write_record(make_repository({}), "second", since) == path
    commit()
    assert not complaints(make_repository({}))
    make_repository({"a.py": ""})
    assert complaints(make_repository({})) == f"a.py: listed by {path}, but not changed"


def test_a_record_of_a_commit_that_the_clone_lacks_is_not_compared(
    make_repository: MakeRepository, record: MakeRecord, commit: Callable[[], None]
) -> None:
    make_repository({FIRST: record("`**`"), "a.py": ""})
    commit()
    listed = record("`**`").replace("- `**`", "Since commit `0123456789ab`:\n\n- `a.py`")
    tree = make_repository({"docs/records/2026-02-03-second.md": listed})
    assert not complaints(tree)


def test_records_are_ordered_by_commit_and_not_by_name(
    make_repository: MakeRepository, record: MakeRecord, commit: Callable[[], None]
) -> None:
    names = [f"docs/records/2026-01-02-{key}.md" for key in ("zebra", "apple")]
    for name in names:
        make_repository({name: record("`**`")})
        commit()
    assert records.find_newest(make_repository({}), names) == names[1]


DECISION = """# ADR-0001: Layers

## Context

x

## Decision

x

## Consequences

x

## Held by

`./msaas check walls`, `tests/test_a.py::test_layers`
"""
ADR = "docs/adrs/ADR-0001-layers.md"
INDEX = "| 0001 | [layers](ADR-0001-layers.md) |\n"


CHECK_NAMES = ("walls",)


def adrs(text: str = DECISION, name: str = ADR) -> dict[str, str]:
    return {
        name: text,
        "docs/adrs/README.md": INDEX,
        "tests/test_a.py": "def test_layers(): ...",
    }


def test_a_decision_that_a_check_holds_passes(make_repository: MakeRepository) -> None:
    assert not list(decisions.find_problems(make_repository(adrs()), CHECK_NAMES))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("x\n", "x\n" * 80, "longer than one page"),
        ("## Consequences\n", "", "its headings are not"),
        ("check walls", "check gates", "no check 'gates'"),
        ("test_layers", "test_floors", "has no test_floors"),
        ("test_a.py", "test_b.py", "does not exist"),
        ("`./msaas check walls`, `tests/test_a.py::test_layers`", "trust", "names no check"),
    ],
)
def test_what_a_decision_lacks_is_named(
    make_repository: MakeRepository, old: str, new: str, complaint: str
) -> None:
    (problem, *_) = decisions.find_problems(
        make_repository(adrs(DECISION.replace(old, new))), CHECK_NAMES
    )
    assert complaint in problem


def test_a_decision_outside_the_index_or_misnamed_is_named(make_repository: MakeRepository) -> None:
    problems = list(
        decisions.find_problems(
            make_repository(adrs(name="docs/adrs/ADR-1-Layers.md")), CHECK_NAMES
        )
    )
    assert any("not in docs/adrs/README.md" in problem for problem in problems)
    assert any("is not named" in problem for problem in problems)


def test_a_number_is_given_once(make_repository: MakeRepository) -> None:
    twice = adrs() | {"docs/adrs/ADR-0001-other.md": DECISION}
    assert any(
        "number is taken" in problem
        for problem in decisions.find_problems(make_repository(twice), CHECK_NAMES)
    )


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("| 0003 | reserved: x |\n", "not 1 to 2 in order"),
        ("| 0002 | [x](ADR-0002-gone.md) |\n", "0002 links to ADR-0002-gone.md"),
        ("| 0002 | [x](ADR-0001-layers.md) |\n", "0002 links to ADR-0001-layers.md"),
        ("| 0002 | reserved |\n", "0002 has neither a decision nor"),
    ],
)
def test_what_is_wrong_in_the_index_is_named(
    make_repository: MakeRepository, rows: str, complaint: str
) -> None:
    tree = make_repository(adrs() | {"docs/adrs/README.md": INDEX + rows})
    (problem,) = decisions.find_problems(tree, CHECK_NAMES)
    assert complaint in problem


def test_a_reserved_number_that_says_for_what_passes(make_repository: MakeRepository) -> None:
    index = INDEX + "| 0002 | reserved: load testing |\n"
    tree = make_repository(adrs() | {"docs/adrs/README.md": index})
    assert not list(decisions.find_problems(tree, CHECK_NAMES))


@pytest.mark.parametrize(
    "text",
    [
        "[x](missing.md)",
        "[x](../other.md#part)",
        "see `docs/missing.md`",
        "see `src/missing.py::test_x`",
        "see `services/gateway/`",
        "see `docs/*.py`",
        "run `./msaas fly`",
        "```\n./msaas fly\n```",
    ],
)
def test_a_reference_to_nothing_is_found(make_repository: MakeRepository, text: str) -> None:
    (problem,) = references.find_problems(make_repository({"docs/a.md": text}))
    assert problem.startswith("docs/a.md: ")


@pytest.mark.parametrize(
    "text",
    [
        "[x](../src/b.py), [x](#here), [x](https://example.com)",
        "`docs/a.md`, `../src/b.py`, `src/b.py`, `src/`, `docs/*.md`, `./docs/a.md`",
        "`application/json`, `job/fence/name`, `docs/{anything}`, `a b/c`",
        "`./msaas test`, `./msaas down --wipe`",
        "```\nls docs/missing.md\n```",
        "- `docs/gone.md` (removed)",
    ],
)
def test_existing_references_and_text_without_references_pass(
    make_repository: MakeRepository, text: str
) -> None:
    assert not list(references.find_problems(make_repository({"docs/a.md": text, "src/b.py": ""})))
