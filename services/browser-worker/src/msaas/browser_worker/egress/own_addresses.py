"""What of the network is the fleet's own: no page has business there, public or not."""

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
    found = (one for each in psutil.net_if_addrs().values() for one in each)
    return [one.address.partition("%")[0] for one in found if one.family in families]


async def resolve_broker_endpoints(redis_url: str, lookup: Lookup) -> Sequence[str]:
    """Name the wire by its host and by its addresses, for the list of what is denied."""
    parts = urlsplit(redis_url)
    host, port = parts.hostname, parts.port or _REDIS_PORT
    if host is None:
        return []  # a socket in the file system, which no page can name
    names = {host}
    with suppress(OSError):
        names.update(await lookup(host))
    return [format_endpoint(name, port) for name in names]


def format_endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
