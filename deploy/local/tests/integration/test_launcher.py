"""`up`, `down`, `status` and `logs` on the command line."""

import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

import msaas.local
from msaas.embedded import PostgresServer, RedisServer
from msaas.embedded.unprivileged import can_reach
from msaas.testing import wait_until

_USER = "nobody"  # the system user
_GIVEN = ("DATABASE_URL", "REDIS_URL")


class LauncherCli:
    """The command line with a data folder."""

    def __init__(self, home: Path, python: str = sys.executable, user: str | None = None) -> None:
        self.home = home
        self.user = user
        self._command = [python, "-m", "msaas.local"]
        self._options: dict[str, Any] = {"user": user, "group": user and _group(user)}
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in _GIVEN},
            "MSAAS_HOME": str(home),
            "PYTHONPATH": os.pathsep.join(filter(os.path.isdir, sys.path)),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._command, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **self._options,
        )

    def up_in_foreground(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._command, "up", "--servers"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def state(self) -> dict[str, Any]:
        return json.loads((self.home / "state.json").read_text())

    def part(self, name: str) -> dict[str, Any]:
        parts = json.loads(self.run("status", "--json").stdout)["parts"]
        return next((part for part in parts if part["name"] == name), {"condition": "unknown"})

    def is_up(self) -> bool:
        return self.run("status").returncode == 0


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


@pytest.fixture
def launcher_cli(world_readable_folder: Path) -> Iterator[LauncherCli]:
    cli = LauncherCli(world_readable_folder / "home")
    yield cli
    cli.run("down")


def _pids(cli: LauncherCli) -> list[int]:
    return [part["process"]["pid"] for part in cli.state()["parts"]]


def _has_ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def _fetch(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def _redis(url: str, command: str) -> str:
    found = re.fullmatch(r"redis://:(.+)@127\.0\.0\.1:(\d+)/0", url)
    assert found
    with socket.create_connection(("127.0.0.1", int(found[2]))) as connection:
        connection.sendall(f"AUTH {found[1]}\r\n{command}\r\nQUIT\r\n".encode())
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


async def test_down_and_up_keep_the_data(launcher_cli: LauncherCli) -> None:
    up = launcher_cli.run("up", "--servers", "--detach")
    assert up.returncode == 0, up.stderr
    for step in ("✓ redis is ready", "✓ postgres is ready", "✓ up in"):
        assert step in up.stdout
    assert "postgresql://postgres:***@127.0.0.1:" in up.stdout
    await _fetch(launcher_cli.part("postgres")["url"], "create table kept as select 7 as x")
    assert "+OK" in _redis(launcher_cli.part("redis")["url"], "SET kept 1")

    again = launcher_cli.run("up", "--servers", "--detach")
    assert (again.returncode, "already running" in again.stdout) == (0, True)
    assert "redis://:***@" in launcher_cli.run("up", "--servers").stdout

    down = launcher_cli.run("down")
    assert (down.returncode, "launcher stopped" in down.stdout) == (0, True)
    assert "nothing is running" in launcher_cli.run("down").stdout
    assert launcher_cli.run("status").returncode == 1

    launcher_cli.run("up", "--servers", "--detach")
    assert await _fetch(launcher_cli.part("postgres")["url"], "select x from kept") == 7
    assert "$1\r\n1" in _redis(launcher_cli.part("redis")["url"], "GET kept")


def test_status_lists_every_part(launcher_cli: LauncherCli) -> None:
    launcher_cli.run("up", "--servers", "--detach")
    shown = launcher_cli.run("status")
    assert shown.returncode == 0
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert rows[0] == ["part", "state", "pid", "restarts", "address"]
    assert sorted((row[0], row[1]) for row in rows[1:]) == [("postgres", "up"), ("redis", "up")]
    described = json.loads(launcher_cli.run("status", "--json").stdout)
    assert described["healthy"] is True
    assert described["home"] == str(launcher_cli.home)


def test_logs_are_stored_by_part(launcher_cli: LauncherCli) -> None:
    launcher_cli.run("up", "--servers", "--detach")
    assert "ready to accept connections" in launcher_cli.run("logs", "postgres").stdout
    both = launcher_cli.run("logs", "-n", "50").stdout
    assert "redis         |" in both
    assert "postgres      |" in both
    assert len(launcher_cli.run("logs", "redis", "-n", "2").stdout.splitlines()) == 2
    assert launcher_cli.run("logs", "unknown").returncode == 1


def test_wiping_deletes_the_data(launcher_cli: LauncherCli) -> None:
    launcher_cli.run("up", "--servers", "--detach")
    assert "deleted" in launcher_cli.run("down", "--wipe").stdout
    assert not (launcher_cli.home / "postgres").exists()
    assert not (launcher_cli.home / "redis").exists()
    assert launcher_cli.run("down", "--wipe").returncode == 0


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_everything(
    launcher_cli: LauncherCli, stop_signal: signal.Signals
) -> None:
    launcher = launcher_cli.up_in_foreground()
    await wait_until(launcher_cli.is_up, timeout=30)
    pids = _pids(launcher_cli)
    launcher.send_signal(stop_signal)
    output, _ = launcher.communicate(timeout=30)
    assert launcher.returncode == 0
    assert {"redis stopped", "postgres stopped"} <= {line[2:] for line in output.splitlines()}
    assert "postgres      |" in output
    assert all(_has_ended(pid) for pid in pids)
    assert not (launcher_cli.home / "state.json").exists()


async def test_a_killed_launcher_leaves_no_orphan_and_the_next_starts(
    launcher_cli: LauncherCli,
) -> None:
    launcher_cli.run("up", "--servers", "--detach")
    await _fetch(launcher_cli.part("postgres")["url"], "create table kept as select 7 as x")
    pids = _pids(launcher_cli)
    psutil.Process(launcher_cli.state()["launcher"]["pid"]).kill()
    await wait_until(lambda: all(_has_ended(pid) for pid in pids))
    assert launcher_cli.run("status").returncode == 1
    assert launcher_cli.run("up", "--servers", "--detach").returncode == 0
    assert await _fetch(launcher_cli.part("postgres")["url"], "select x from kept") == 7


async def test_a_killed_part_is_restarted_with_its_data(launcher_cli: LauncherCli) -> None:
    launcher_cli.run("up", "--servers", "--detach")
    await _fetch(launcher_cli.part("postgres")["url"], "create table kept as select 7 as x")
    _redis(launcher_cli.part("redis")["url"], "SET kept 1")
    for pid in _pids(launcher_cli):
        psutil.Process(pid).kill()

    def came_back() -> bool:
        parts = [launcher_cli.part(name) for name in ("postgres", "redis")]
        return all(part["condition"] == "up" and part["restarts"] for part in parts)

    await wait_until(came_back, timeout=30)
    assert await _fetch(launcher_cli.part("postgres")["url"], "select x from kept") == 7
    assert "$1\r\n1" in _redis(launcher_cli.part("redis")["url"], "GET kept")


def test_external_servers_are_used_and_none_is_started(
    launcher_cli: LauncherCli,
    private_redis: Callable[..., RedisServer],
    private_postgres: Callable[..., PostgresServer],
) -> None:
    given = private_redis()
    launcher_cli.environment["REDIS_URL"] = given.url
    launcher_cli.environment["DATABASE_URL"] = private_postgres().url
    assert launcher_cli.run("up", "--servers", "--detach").returncode == 0
    assert [part["process"] for part in launcher_cli.state()["parts"]] == [None, None]
    assert launcher_cli.run("status").returncode == 0
    given.kill()
    assert launcher_cli.run("status").returncode == 1


def test_an_unreachable_external_server_is_refused(launcher_cli: LauncherCli) -> None:
    launcher_cli.environment["REDIS_URL"] = "redis://127.0.0.1:1/0"
    up = launcher_cli.run("up")
    assert (up.returncode, up.stderr) == (1, "✗ REDIS_URL is set, but nothing listens there.\n")
    assert launcher_cli.run("up", "--servers", "--detach").returncode == 1


def test_a_data_folder_that_cannot_be_used_is_refused_with_a_reason(
    launcher_cli: LauncherCli,
) -> None:
    launcher_cli.home.mkdir()
    (launcher_cli.home / "redis").write_text("a file")
    up = launcher_cli.run("up", "--servers", "--detach")
    assert up.returncode == 1
    assert "redis" in up.stdout + up.stderr


def test_an_unknown_command_is_answered_with_the_known_ones(launcher_cli: LauncherCli) -> None:
    assert "up, down, status, logs" in launcher_cli.run("sideways").stderr


def _unprivileged_cli(folder: Path) -> LauncherCli:
    """Run as an unprivileged user: for root another one that can read the code, if there is one."""
    code = [Path(str(module.__file__)).parent for module in (msaas.local, psutil)]
    system = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    for python in filter(os.path.exists, (sys.executable, system)):
        paths = [Path(python).parent, Path(python).resolve().parent, *code]
        if os.geteuid() == 0 and all(can_reach(path, _USER) for path in paths):
            os.chown(folder, pwd.getpwnam(_USER).pw_uid, _group(_USER))
            return LauncherCli(folder / "home", python, _USER)
    return LauncherCli(folder / "home")


def test_an_unprivileged_user_can_start_and_stop_servers(world_readable_folder: Path) -> None:
    cli = _unprivileged_cli(world_readable_folder)
    up = cli.run("up", "--servers", "--detach")
    assert up.returncode == 0, up.stdout + up.stderr
    if cli.user:
        assert {psutil.Process(pid).username() for pid in _pids(cli)} == {cli.user}
    assert cli.run("status").returncode == 0
    down = cli.run("down", "--wipe")
    assert down.returncode == 0, down.stdout + down.stderr
