"""Decides which hosts and addresses a page may reach."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

# Every block that is set apart from the internet at large: spelt out, because what the standard
# library calls global differs between its versions.
_IPV4_SPECIAL: Final = tuple(
    IPv4Network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
        # Public by its number, but it answers from inside its cloud, with the machine's secrets.
        "168.63.129.16/32",
    )
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
# Inside the global range, yet they stand for something else, some of them for an IPv4 address.
_IPV6_SPECIAL: Final = tuple(
    IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


@dataclass(frozen=True, slots=True)
class Place:
    """A host, and its port where only that one is meant."""

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Place":
        parts = urlsplit(f"//{text}")
        if not parts.hostname:
            raise ValueError(f"{text!r} names no host")
        return cls(normal_host(parts.hostname), parts.port)


class Guard:
    """Lets pages reach public addresses, and of the others only the places named to it."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(Place.parse(text) for text in allowed)

    def is_allowed(self, host: str, port: int) -> bool:
        """Say whether the operator has named this place, whatever its address."""
        name = normal_host(host)
        return Place(name) in self._allowed or Place(name, port) in self._allowed

    def permits(self, host: str, port: int, addresses: Sequence[str]) -> bool:
        """Say whether a host that has these addresses may be reached."""
        is_outside = bool(addresses) and all(map(is_public, addresses))
        return is_outside or self.is_allowed(host, port)


def normal_host(host: str) -> str:
    return host.lower().rstrip(".").removeprefix("[").removesuffix("]")


def is_public(address: str) -> bool:
    """Say whether an address belongs to the internet at large; in doubt it does not."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        return _is_public_6(parsed)
    return not any(parsed in block for block in _IPV4_SPECIAL)


def _is_public_6(address: IPv6Address) -> bool:
    """Only global unicast will do: mapped, translated and tunnelled forms all lie elsewhere."""
    return (
        address.scope_id is None
        and address in _GLOBAL_UNICAST
        and not any(address in block for block in _IPV6_SPECIAL)
    )
