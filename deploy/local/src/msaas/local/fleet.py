"""Decides which servers run here and which are external."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import urlsplit

from msaas.embedded import (
    EmbeddedServer,
    PostgresServer,
    RedisServer,
    ServerNotStarted,
    find_free_port,
    is_free,
)
from msaas.local.credentials import get_or_create_secret, write_users
from msaas.local.home import Home
from msaas.local.part import Part, server_part
from msaas.local.state import PartState

# Not the well-known ports, which a server of the machine may use.
DEFAULT_PORTS = {"postgres": 15432, "redis": 16379}
_STANDARD_PORTS = {
    "postgresql": 5432,
    "postgres": 5432,
    "redis": 6379,
    "rediss": 6379,
    "http": 80,
    "https": 443,
}
_URL_VARIABLES = {"postgres": "DATABASE_URL", "redis": "REDIS_URL"}


@dataclass(frozen=True)
class Fleet:
    """URLs are functions, because a port is known only once its part is prepared."""

    parts: list[Part] = field(default_factory=list[Part])
    external: list[PartState] = field(default_factory=list[PartState])
    urls: dict[str, Callable[[], str]] = field(default_factory=dict[str, Callable[[], str]])


def assemble(home: Home, environment: Mapping[str, str], notify: Callable[[str], None]) -> Fleet:
    """Use each server that the environment names, and run the others here."""
    fleet = Fleet()
    for name, make in (("postgres", _postgres), ("redis", _redis)):
        if url := environment.get(_URL_VARIABLES[name]):
            _require_listening(name, url)
            fleet.external.append(PartState(name, url=url, ready=True))
            fleet.urls[name] = partial(str, url)
        else:
            part = _with_free_port(make(home), notify)
            fleet.parts.append(part)
            fleet.urls[name] = part.url or str
    return fleet


def _with_free_port(server: EmbeddedServer, notify: Callable[[str], None]) -> Part:
    """Choose another port when the default is taken; a server keeps the port it once had."""

    def prepare() -> None:
        if not server.has_served:
            server.port = choose_port(server.port, server.name, notify)
        server.prepare()

    return replace(server_part(server), prepare=prepare)


def choose_port(port: int, name: str, notify: Callable[[str], None]) -> int:
    """Return the port if it is free, else a free one, and notify."""
    if is_free(port):
        return port
    free = find_free_port()
    notify(f"port {port} is taken, so {name} uses {free}")
    return free


def _postgres(home: Home) -> EmbeddedServer:
    config = {
        "max_connections": "200",
        "log_line_prefix": "[%p] ",
        "log_min_messages": "error",  # each check of a connection ends with a needless ROLLBACK
    }
    return PostgresServer(home.postgres, port=DEFAULT_PORTS["postgres"], config=config)


def _redis(home: Home) -> EmbeddedServer:
    """Write the ACL users before the start; `password` is the default user's."""
    password = get_or_create_secret(home.redis, "password")
    users = home.redis / "users.acl"
    write_users(users, password, partial(get_or_create_secret, home.secrets))
    port, config = DEFAULT_PORTS["redis"], {"aclfile": f'"{users}"'}
    return RedisServer(home.redis, port=port, password=password, config=config)


def _require_listening(name: str, url: str) -> None:
    if not is_listening(url):
        raise ServerNotStarted(f"{_URL_VARIABLES[name]} is set, but nothing listens there.")


def is_listening(url: str) -> bool:
    """Return whether a server listens at the URL."""
    parts = urlsplit(url)
    port = parts.port or _STANDARD_PORTS.get(parts.scheme.partition("+")[0], 0)
    try:
        socket.create_connection((parts.hostname or "localhost", port), timeout=2).close()
    except OSError:
        return False
    return True
