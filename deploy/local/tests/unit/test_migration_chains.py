"""Migrations are found by their folders, in the order in which they can be installed."""

from pathlib import Path

import pytest

from msaas.embedded import LocalError
from msaas.local.migrate import list_migration_chains


def declare(services: Path, name: str, schema: str, *after: str) -> None:
    folder = services / name / "migrations"
    folder.mkdir(parents=True)
    (folder / "schema.toml").write_text(f'schema = "{schema}"\nafter = {list(after)}\n')


def test_a_chain_comes_after_those_it_refers_to(tmp_path: Path) -> None:
    declare(tmp_path, "billing", "billing", "jobs")
    declare(tmp_path, "gateway", "identity")
    declare(tmp_path, "jobs", "jobs", "gateway")
    (tmp_path / "browser-worker").mkdir()
    chains = list_migration_chains(tmp_path)
    assert list(chains) == ["gateway", "jobs", "billing"]
    assert [chain.schema for chain in chains.values()] == ["identity", "jobs", "billing"]
    assert chains["gateway"].scripts == tmp_path / "gateway" / "migrations"


def test_a_folder_without_migrations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="--services"):
        list_migration_chains(tmp_path)
