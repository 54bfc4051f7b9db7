"""The launcher's own servers evade taken ports and keep the address that they once had."""

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


def test_a_port_that_is_taken_is_told_and_another_is_used(
    world_readable_folder: Path, busy_port: int
) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", busy_port)):
        for part in assemble(Home(world_readable_folder), {}, said.append).parts:
            part.prepare()
            assert part.url
            assert f":{busy_port}/" not in part.url()
    assert len(said) == 2
    assert said[1].startswith(f"port {busy_port} is taken, so redis uses ")


def test_a_free_usual_port_is_used_without_a_word(
    world_readable_folder: Path, busy_port: int
) -> None:
    said: list[str] = []
    _, redis = assemble(Home(world_readable_folder), {}, said.append).parts
    redis.prepare()
    assert redis.url
    assert f":{busy_port}/" in redis.url()
    assert said == []


def test_an_address_that_was_in_use_stays(
    world_readable_folder: Path, busy_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    _, redis = assemble(Home(world_readable_folder), {}, said.append).parts

    def serves(_server: RedisServer, _pid: int) -> bool:
        return True

    monkeypatch.setattr(RedisServer, "_is_serving", serves)
    assert redis.is_ready(0)
    with socket.create_server(("127.0.0.1", busy_port)):
        redis.prepare()
    assert redis.url
    assert f":{busy_port}/" in redis.url()
    assert said == []


def test_a_given_address_must_answer(world_readable_folder: Path) -> None:
    given = {"DATABASE_URL": "postgresql+asyncpg://me:secret@127.0.0.1:1/x"}
    with pytest.raises(ServerNotStarted) as refusal:
        assemble(Home(world_readable_folder), given, lambda _: None)
    assert "DATABASE_URL" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_an_address_may_leave_its_usual_port_out(redis_url: str) -> None:
    assert is_listening(redis_url)
    assert not is_listening("redis://host.invalid")
