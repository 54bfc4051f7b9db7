"""Says which parts run here, and which are given from outside."""

import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from msaas.local.errors import ServerNotStarted
from msaas.local.home import Home
from msaas.local.part import Part, server_part
from msaas.local.servers import PostgresServer, RedisServer, Server, find_free_port, is_free
from msaas.local.state import PartState

# Beside the well-known ports, so that a server of the machine's own is not in the way.
USUAL_PORTS = {"postgres": 15432, "redis": 16379}
_STANDARD_PORTS = {"postgresql": 5432, "postgres": 5432, "redis": 6379, "rediss": 6379}
_GIVEN_BY = {"postgres": "DATABASE_URL", "redis": "REDIS_URL"}


@dataclass(frozen=True)
class Fleet:
    parts: list[Part]
    given: list[PartState]


def assemble(home: Home, environment: Mapping[str, str], say: Callable[[str], None]) -> Fleet:
    """Take each server from the environment if it is named there, else run our own."""
    fleet = Fleet([], [])
    for name, make in (("postgres", _postgres), ("redis", _redis)):
        if url := environment.get(_GIVEN_BY[name]):
            _require_answer(name, url)
            fleet.given.append(PartState(name, url=url, ready=True))
        else:
            fleet.parts.append(_evading(make(home), say))
    return fleet


def _evading(server: Server, say: Callable[[str], None]) -> Part:
    """Let a server evade a port that is taken; where it has served once, its address stays."""

    def prepare() -> None:
        if not server.has_served and not is_free(server.port):
            taken, server.port = server.port, find_free_port()
            say(f"port {taken} is taken, so {server.name} uses {server.port}")
        server.prepare()

    return replace(server_part(server), prepare=prepare)


def _postgres(home: Home) -> Server:
    config = {"max_connections": "200", "log_line_prefix": "[%p] "}
    return PostgresServer(home.postgres, port=USUAL_PORTS["postgres"], config=config)


def _redis(home: Home) -> Server:
    return RedisServer(home.redis, port=USUAL_PORTS["redis"], password=_password(home))


def _password(home: Home) -> str:
    """Return the password made for this data folder; other users share its loopback."""
    path = home.redis / "password"
    if not path.exists():
        home.redis.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text()


def _require_answer(name: str, url: str) -> None:
    if not answers(url):
        raise ServerNotStarted(f"{_GIVEN_BY[name]} is set, but nothing answers there.")


def answers(url: str) -> bool:
    """Say whether somebody listens at an address."""
    parts = urlsplit(url)
    port = parts.port or _STANDARD_PORTS.get(parts.scheme.partition("+")[0], 0)
    try:
        socket.create_connection((parts.hostname or "localhost", port), timeout=2).close()
    except OSError:
        return False
    return True
