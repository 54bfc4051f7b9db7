"""The fleet's own addresses, which pages may not reach even where they are public."""

import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import psutil

from msaas.browser_worker.egress.proxy import Lookup

_REDIS_PORT = 6379


def list_own_addresses() -> Sequence[str]:
    """List the addresses of this machine's interfaces."""
    families = {socket.AF_INET, socket.AF_INET6}
    interfaces = (address for addresses in psutil.net_if_addrs().values() for address in addresses)
    return [found.address.partition("%")[0] for found in interfaces if found.family in families]


def list_own_networks() -> Sequence[str]:
    """List the networks that this machine's interfaces are in: what is near is the fleet's too."""
    interfaces = (address for addresses in psutil.net_if_addrs().values() for address in addresses)
    found = (build_network(each.address, each.netmask) for each in interfaces)
    return sorted({network for network in found if network is not None})


def build_network(address: str, netmask: str | None) -> str | None:
    """Return the network of an interface, or its address alone where it has none."""
    try:
        parsed = ip_address(address.partition("%")[0])
        mask = int(ip_address(netmask)) if netmask else 0
    except ValueError:  # an address of another kind
        return None
    prefix = mask.bit_count() or parsed.max_prefixlen
    return str(ip_network(f"{parsed}/{prefix}", strict=False))


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


def find_broker_host(redis_url: str) -> str | None:
    """Return the host and port of Redis, as a pattern."""
    parts = urlsplit(redis_url)
    return format_endpoint(parts.hostname, parts.port or _REDIS_PORT) if parts.hostname else None


def format_endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
