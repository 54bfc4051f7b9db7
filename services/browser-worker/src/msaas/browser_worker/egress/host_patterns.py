"""Patterns of hosts, ports, domains and networks, as an operator writes them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host, with a port or for all ports."""

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        if address := parse_address(text):
            return cls(str(address))
        parts = urlsplit(f"//{text}")
        if not parts.hostname:
            raise ValueError(f"{text!r} names no host")
        return cls(normalise_host(parts.hostname), parts.port)


class HostPatterns:
    """A list of `host`, `host:port`, `.domain` with its subdomains, and `network/bits`."""

    def __init__(self, patterns: Iterable[str]) -> None:
        endpoints: set[Endpoint] = set()
        networks: list[IPv4Network | IPv6Network] = []
        for text in patterns:
            if "/" in text:
                networks.append(ip_network(text))
            else:
                endpoints.add(Endpoint.parse(text))
        self._endpoints = frozenset(endpoints)
        self._networks = tuple(networks)

    def matches_host(self, host: str, port: int) -> bool:
        """Return whether the host or a parent domain is listed."""
        return any(
            Endpoint(name, endpoint_port) in self._endpoints
            for name in _iter_host_and_domains(normalise_host(host))
            for endpoint_port in (None, port)
        )

    def matches_any(self, addresses: Sequence[str], port: int) -> bool:
        return any(self._matches_address(address, port) for address in addresses)

    def networks_contain_all(self, addresses: Sequence[str]) -> bool:
        """Return whether all addresses lie in the listed networks; listed hosts do not count."""
        return bool(addresses) and all(map(self._is_in_networks, addresses))

    def _matches_address(self, address: str, port: int) -> bool:
        return self.matches_host(address, port) or self._is_in_networks(address)

    def _is_in_networks(self, address: str) -> bool:
        parsed = parse_address(address)
        return parsed is not None and any(parsed in network for network in self._networks)


def normalise_host(host: str) -> str:
    """Return the canonical form of a host; addresses in their shortest form."""
    bare = host.lower().rstrip(".").removeprefix("[").removesuffix("]")
    address = parse_address(bare)
    return bare if address is None else str(address)


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _iter_host_and_domains(host: str) -> Iterable[str]:
    yield host
    if parse_address(host) is None:
        labels = host.split(".")
        yield from ("." + ".".join(labels[start:]) for start in range(len(labels)))
