"""Names places of the network, as an operator writes them down."""

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
class Place:
    """A host, and its port where only that one is meant."""

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Place":
        if address := find_address(text):
            return cls(str(address))
        parts = urlsplit(f"//{text}")
        if not parts.hostname:
            raise ValueError(f"{text!r} names no host")
        return cls(normal_host(parts.hostname), parts.port)


class Places:
    """A list of `host`, `host:port`, `.domain` with all that is below it, and `network/bits`."""

    def __init__(self, texts: Iterable[str]) -> None:
        places: set[Place] = set()
        networks: list[IPv4Network | IPv6Network] = []
        for text in texts:
            if "/" in text:
                networks.append(ip_network(text))
            else:
                places.add(Place.parse(text))
        self._places = frozenset(places)
        self._networks = tuple(networks)

    def name(self, host: str, port: int) -> bool:
        """Say whether the host is named itself, or a domain above it."""
        return any(
            Place(name, meant) in self._places
            for name in _names_of(normal_host(host))
            for meant in (None, port)
        )

    def hold_any(self, addresses: Sequence[str], port: int) -> bool:
        return any(self._hold(address, port) for address in addresses)

    def surround(self, addresses: Sequence[str]) -> bool:
        """Say whether all lie in the networks: what is named by host is meant under that name."""
        return bool(addresses) and all(map(self._is_within, addresses))

    def _hold(self, address: str, port: int) -> bool:
        return self.name(address, port) or self._is_within(address)

    def _is_within(self, address: str) -> bool:
        parsed = find_address(address)
        return parsed is not None and any(parsed in network for network in self._networks)


def normal_host(host: str) -> str:
    """Write a host in one way: addresses in their shortest form."""
    bare = host.lower().rstrip(".").removeprefix("[").removesuffix("]")
    address = find_address(bare)
    return bare if address is None else str(address)


def find_address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _names_of(host: str) -> Iterable[str]:
    yield host
    if find_address(host) is None:
        labels = host.split(".")
        yield from ("." + ".".join(labels[start:]) for start in range(len(labels)))
