"""The launcher's own servers evade taken ports and keep the address that they once had."""

import socket
from pathlib import Path

import pytest

from msaas.local import Home, ServerNotStarted
from msaas.local.fleet import USUAL_PORTS, answers, assemble
from msaas.local.servers import RedisServer, find_free_port


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> int:
    port = find_free_port()
    for name in USUAL_PORTS:
        monkeypatch.setitem(USUAL_PORTS, name, port)
    return port


def test_a_port_that_is_taken_is_told_and_another_is_used(open_folder: Path, taken: int) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", taken)):
        for part in assemble(Home(open_folder), {}, said.append).parts:
            part.prepare()
            assert part.url
            assert f":{taken}/" not in part.url()
    assert len(said) == 2
    assert said[1].startswith(f"port {taken} is taken, so redis uses ")


def test_a_free_usual_port_is_used_without_a_word(open_folder: Path, taken: int) -> None:
    said: list[str] = []
    _, redis = assemble(Home(open_folder), {}, said.append).parts
    redis.prepare()
    assert redis.url
    assert f":{taken}/" in redis.url()
    assert said == []


def test_an_address_that_was_in_use_stays(
    open_folder: Path, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    _, redis = assemble(Home(open_folder), {}, said.append).parts

    def serves(_server: RedisServer, _pid: int) -> bool:
        return True

    monkeypatch.setattr(RedisServer, "_serves", serves)
    assert redis.is_ready(0)
    with socket.create_server(("127.0.0.1", taken)):
        redis.prepare()
    assert redis.url
    assert f":{taken}/" in redis.url()
    assert said == []


def test_a_given_address_must_answer(open_folder: Path) -> None:
    given = {"DATABASE_URL": "postgresql+asyncpg://me:secret@127.0.0.1:1/x"}
    with pytest.raises(ServerNotStarted) as refusal:
        assemble(Home(open_folder), given, lambda _: None)
    assert "DATABASE_URL" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_an_address_may_leave_its_usual_port_out(redis_url: str) -> None:
    assert answers(redis_url)
    assert not answers("redis://host.invalid")
