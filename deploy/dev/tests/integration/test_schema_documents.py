"""The generated documents match the models and the catalogue."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table

from msaas.contracts.generate import list_drift
from msaas.dev.schema import SCHEMA_OWNERS, SchemaOwner
from msaas.dev.schema.__main__ import render
from msaas.dev.schema.data_model import UnclassifiedColumn, render_data_model
from msaas.dev.workspace import ROOT
from msaas.embedded import PostgresServer


async def test_the_committed_documents_are_up_to_date(
    private_postgres: Callable[..., PostgresServer],
) -> None:
    # Roles belong to a server: on the shared one, other tests make some of their own.
    drifted = list_drift(ROOT, await render(private_postgres().url))
    assert drifted == [], "python -m msaas.dev.schema"


def test_a_document_that_differs_or_is_missing_is_named(tmp_path: Path) -> None:
    kept, changed, missing = map(Path, ("kept", "changed", "missing"))
    (tmp_path / kept).write_text("same")
    (tmp_path / changed).write_text("old")
    files = {kept: "same", changed: "new", missing: "x"}
    assert list_drift(tmp_path, files) == [changed, missing]


@pytest.mark.parametrize("info", [{}, {"class": "whatever"}])
def test_a_column_without_a_class_of_data_fails(info: dict[str, str]) -> None:
    metadata = MetaData(schema="planted")
    Table("notes", metadata, Column("body", Integer, info=info))
    with pytest.raises(UnclassifiedColumn, match=r"planted\.notes\.body"):
        render_data_model([SchemaOwner("planted", metadata)])


def test_the_model_shows_aggregates_states_and_foreign_keys() -> None:
    text = render_data_model(SCHEMA_OWNERS)
    assert "<<root>>" in text
    assert "RUNNING --> PENDING" in text
    assert "users <-- jobs : user_id (CASCADE)" in text
    assert "| fence | uuid | null | secret |" in text
