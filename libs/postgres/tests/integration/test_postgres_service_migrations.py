"""A service migrates its own schema alone, and names what has to be installed before."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from msaas.postgres.service_migrations import (
    InstalledTooEarly,
    MigrationChain,
    find_scripts,
    migrate_service,
)

ENV = "from msaas.postgres.migrations import run_migrations\n\nrun_migrations()\n"
REVISION = '''
from alembic import op

revision = "{schema}_1"
down_revision = branch_labels = depends_on = None


def upgrade() -> None:
    op.execute("""{sql}""")
'''
OWNER_SQL = "CREATE TABLE alpha.users (id int PRIMARY KEY)"
GUEST_SQL = "CREATE TABLE beta.notes (id int, user_id int REFERENCES alpha.users)"


def write_service(root: Path, schema: str, sql: str, *after: str) -> str:
    """Write a service as a checkout has it and return the path of its main module."""
    scripts = root / schema / "migrations"
    (scripts / "versions").mkdir(parents=True)
    (scripts / "env.py").write_text(ENV)
    (scripts / "schema.toml").write_text(f'schema = "{schema}"\nafter = {list(after)}\n')
    revision = REVISION.format(schema=schema, sql=sql)
    (scripts / "versions" / f"{schema}_1.py").write_text(revision)
    return str(root / schema / "src" / "msaas" / schema / "__main__.py")


async def fetch(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def run_migrate(main: str, url: str, **environment: str) -> str:
    environ = {"ENVIRONMENT": "test", "DATABASE_URL": url, **environment}
    return await asyncio.to_thread(migrate_service, main, ["svc_beta_test"], environ)


async def test_the_order_of_a_first_install_is_explained_and_then_works(
    tmp_path: Path, database_url: str
) -> None:
    owner = write_service(tmp_path, "alpha", OWNER_SQL)
    guest = write_service(tmp_path, "beta", GUEST_SQL, "alpha")
    with pytest.raises(InstalledTooEarly, match="run `migrate` of alpha first"):
        await run_migrate(guest, database_url)
    assert await fetch(database_url, "SELECT to_regnamespace('beta')") is None

    assert await run_migrate(owner, database_url) == "alpha is at alpha_1; passwords set: none"
    await fetch(database_url, "DROP ROLE IF EXISTS svc_beta_test")
    await fetch(database_url, "CREATE ROLE svc_beta_test LOGIN")
    try:
        answer = await run_migrate(guest, database_url, SVC_BETA_TEST_PASSWORD="a-password")
        assert answer == "beta is at beta_1; passwords set: svc_beta_test"
        stored = "SELECT rolpassword FROM pg_authid WHERE rolname = 'svc_beta_test'"
        assert str(await fetch(database_url, stored)).startswith("SCRAM-SHA-256$")
    finally:
        await fetch(database_url, "DROP ROLE svc_beta_test")
    assert await run_migrate(guest, database_url) == "beta is at beta_1; passwords set: none"


async def test_another_error_of_a_revision_stays_what_it_is(
    tmp_path: Path, database_url: str
) -> None:
    main = write_service(tmp_path, "beta", "CREATE TABLE beta.notes (id int, id int)", "alpha")
    with pytest.raises(Exception, match="specified more than once"):
        await run_migrate(main, database_url)


def test_an_image_has_its_scripts_beside_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path / ".venv"))
    installed = tmp_path / ".venv/lib/python3.11/site-packages/msaas/jobs/__main__.py"
    assert find_scripts(str(installed)) == tmp_path / "migrations"
    main = write_service(tmp_path, "alpha", OWNER_SQL)
    assert MigrationChain.read(find_scripts(main)).schema == "alpha"
