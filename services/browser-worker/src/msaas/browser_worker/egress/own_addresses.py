"""The fleet's own addresses, which pages may not reach even where they are public."""

import socket
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

import psutil

from msaas.browser_worker.egress.proxy import Lookup

_REDIS_PORT = 6379


def list_own_addresses() -> Sequence[str]:
    """List the addresses of this machine's interfaces."""
    families = {socket.AF_INET, socket.AF_INET6}
    interfaces = (address for addresses in psutil.net_if_addrs().values() for address in addresses)
    return [found.address.partition("%")[0] for found in interfaces if found.family in families]


async def resolve_broker_endpoints(redis_url: str, lookup: Lookup) -> Sequence[str]:
    """Return the endpoints of Redis, by host name and by address."""
    parts = urlsplit(redis_url)
    host, port = parts.hostname, parts.port or _REDIS_PORT
    if host is None:
        return []  # a Unix socket, which no page can reach
    names = {host}
    with suppress(OSError):
        names.update(await lookup(host))
    return [format_endpoint(name, port) for name in names]


def format_endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
