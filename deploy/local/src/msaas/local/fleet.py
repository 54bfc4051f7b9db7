"""Says which parts run here, and which are given from outside."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import urlsplit

from msaas.local.errors import ServerNotStarted
from msaas.local.home import Home
from msaas.local.kept_secrets import keep_secret
from msaas.local.part import Part, server_part
from msaas.local.redis_users import write_users
from msaas.local.servers import PostgresServer, RedisServer, Server, find_free_port, is_free
from msaas.local.state import PartState

# Beside the well-known ports, so that a server of the machine's own is not in the way.
USUAL_PORTS = {"postgres": 15432, "redis": 16379}
_STANDARD_PORTS = {"postgresql": 5432, "postgres": 5432, "redis": 6379, "rediss": 6379, "http": 80}
_GIVEN_BY = {"postgres": "DATABASE_URL", "redis": "REDIS_URL"}


@dataclass(frozen=True)
class Fleet:
    """Addresses are asked for when they are needed: a port is known once its part is prepared."""

    parts: list[Part] = field(default_factory=list[Part])
    given: list[PartState] = field(default_factory=list[PartState])
    urls: dict[str, Callable[[], str]] = field(default_factory=dict[str, Callable[[], str]])


def assemble(home: Home, environment: Mapping[str, str], say: Callable[[str], None]) -> Fleet:
    """Take each server from the environment if it is named there, else run our own."""
    fleet = Fleet()
    for name, make in (("postgres", _postgres), ("redis", _redis)):
        if url := environment.get(_GIVEN_BY[name]):
            _require_answer(name, url)
            fleet.given.append(PartState(name, url=url, ready=True))
            fleet.urls[name] = partial(str, url)
        else:
            part = _evading(make(home), say)
            fleet.parts.append(part)
            fleet.urls[name] = part.url or str
    return fleet


def _evading(server: Server, say: Callable[[str], None]) -> Part:
    """Let a server evade a port that is taken; where it has served once, its address stays."""

    def prepare() -> None:
        if not server.has_served:
            server.port = evade(server.port, server.name, say)
        server.prepare()

    return replace(server_part(server), prepare=prepare)


def evade(port: int, name: str, say: Callable[[str], None]) -> int:
    """Return the port if it is free, else one that is, and say so."""
    if is_free(port):
        return port
    free = find_free_port()
    say(f"port {port} is taken, so {name} uses {free}")
    return free


def _postgres(home: Home) -> Server:
    config = {
        "max_connections": "200",
        "log_line_prefix": "[%p] ",
        "log_min_messages": "error",  # each check of a connection ends with a needless ROLLBACK
    }
    return PostgresServer(home.postgres, port=USUAL_PORTS["postgres"], config=config)


def _redis(home: Home) -> Server:
    """Its users are written before it starts; the password beside them is the default user's."""
    password = keep_secret(home.redis, "password")
    users = home.redis / "users.acl"
    write_users(users, password, partial(keep_secret, home.secrets))
    port, config = USUAL_PORTS["redis"], {"aclfile": f'"{users}"'}
    return RedisServer(home.redis, port=port, password=password, config=config)


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
