"""The launcher's servers avoid taken ports and keep the port that they once had."""

import socket
from pathlib import Path

import pytest

from msaas.embedded import RedisServer, ServerNotStarted, find_free_port
from msaas.local import Home
from msaas.local.fleet import DEFAULT_PORTS, assemble, is_listening


@pytest.fixture
def busy_port(monkeypatch: pytest.MonkeyPatch) -> int:
    port = find_free_port()
    for name in DEFAULT_PORTS:
        monkeypatch.setitem(DEFAULT_PORTS, name, port)
    return port


def test_a_taken_port_is_reported_and_replaced(world_readable_folder: Path, busy_port: int) -> None:
    messages: list[str] = []
    with socket.create_server(("127.0.0.1", busy_port)):
        for part in assemble(Home(world_readable_folder), {}, messages.append).parts:
            part.prepare()
            assert part.url
            assert f":{busy_port}/" not in part.url()
    assert len(messages) == 2
    assert messages[1].startswith(f"port {busy_port} is taken, so redis uses ")


def test_a_free_default_port_is_used_without_a_message(
    world_readable_folder: Path, busy_port: int
) -> None:
    messages: list[str] = []
    _, redis = assemble(Home(world_readable_folder), {}, messages.append).parts
    redis.prepare()
    assert redis.url
    assert f":{busy_port}/" in redis.url()
    assert messages == []


def test_a_port_that_was_in_use_stays(
    world_readable_folder: Path, busy_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    _, redis = assemble(Home(world_readable_folder), {}, messages.append).parts

    def serves(_server: RedisServer, _pid: int) -> bool:
        return True

    monkeypatch.setattr(RedisServer, "_is_serving", serves)
    assert redis.is_ready(0)
    with socket.create_server(("127.0.0.1", busy_port)):
        redis.prepare()
    assert redis.url
    assert f":{busy_port}/" in redis.url()
    assert messages == []


def test_an_external_server_must_be_reachable(world_readable_folder: Path) -> None:
    given = {"DATABASE_URL": "postgresql+asyncpg://me:secret@127.0.0.1:1/x"}
    with pytest.raises(ServerNotStarted) as refusal:
        assemble(Home(world_readable_folder), given, lambda _: None)
    assert "DATABASE_URL" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_url_may_omit_the_default_port(redis_url: str) -> None:
    assert is_listening(redis_url)
    assert not is_listening("redis://host.invalid")
