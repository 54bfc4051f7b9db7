"""Writes docs/data-model.md from the models: classes, states and columns."""

from collections.abc import Iterable, Iterator

from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from msaas.dev.schema.owners import SchemaOwner

CLASSES = {
    "public": "tells nothing about anybody; anyone may see it",
    "internal": "about the work rather than the person; for its service and its user",
    "personal": "identifies a user or says what they did; erased or blanked on erasure",
    "content": "what a user gave or got; kept as long as the plan says, then dropped",
    "secret": "never granted to a reader, never logged: hashes, fences, fingerprints",
}
_DIALECT = postgresql.dialect()
_HEADER = """# Data model

Generated from the models of the services by `python -m msaas.dev.schema`; a test compares. A class
marked «root» is an aggregate: it has its own `version` and is changed as a whole.

| class | means |
| --- | --- |
"""


class UnclassifiedColumn(ValueError):
    """A column whose model names no class of data."""


def render_data_model(owners: Iterable[SchemaOwner]) -> str:
    classes = "".join(f"| {name} | {meaning} |\n" for name, meaning in CLASSES.items())
    return _HEADER + classes + "".join(_render_owner(owner) for owner in owners)


def _render_owner(owner: SchemaOwner) -> str:
    tables = sorted(owner.metadata.tables.values(), key=lambda table: table.name)
    diagram = [line for table in tables for line in _draw(table)]
    parts = [f"\n## {owner.schema} ({owner.service})", *_fence("classDiagram", diagram)]
    for table in tables:
        parts += _fence("stateDiagram-v2", list(_draw_states(table)))
        parts += [f"\n### {table.fullname}\n", "| column | type | null | class |"]
        parts += ["| --- | --- | --- | --- |", *(_describe(column) for column in table.columns)]
    return "\n".join(parts) + "\n"


def _fence(kind: str, lines: list[str]) -> list[str]:
    return ["", "```mermaid", kind, *(f"  {line}" for line in lines), "```"] if lines else []


def _draw(table: Table) -> Iterator[str]:
    yield f"class {table.name} {{"
    if table.info.get("root"):
        yield "  <<root>>"
    yield from (f"  {_type(column)} {column.name}" for column in table.columns)
    yield "}"
    for key in sorted(table.foreign_keys, key=lambda key: (key.parent.name, key.column.table.name)):
        rule = f" ({key.ondelete})" if key.ondelete else ""
        yield f"{key.column.table.name} <-- {table.name} : {key.parent.name}{rule}"


def _draw_states(table: Table) -> Iterator[str]:
    states: dict[str, tuple[str, ...]] = table.info.get("states", {})
    if states:
        yield f"[*] --> {next(iter(states))}"
    for state, followers in states.items():
        yield from (f"{state} --> {follower}" for follower in followers or ("[*]",))


def _describe(column: Column[object]) -> str:
    data_class = column.info.get("class")
    if data_class not in CLASSES:
        raise UnclassifiedColumn(f"{column.table.fullname}.{column.name} has no class of data")
    null = "null" if column.nullable else ""
    return f"| {column.name} | {_type(column)} | {null} | {data_class} |"


def _type(column: Column[object]) -> str:
    name = column.type.compile(_DIALECT).lower()
    return name.replace("timestamp with time zone", "timestamptz")
