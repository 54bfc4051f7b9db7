"""Finds the client's address; only headers of trusted proxies are used."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from msaas.web.asgi import Scope

_IPV6_PREFIX_BITS: Final = 64  # the smallest network of one customer
_UNKNOWN: Final = "unknown"  # a Unix socket has no address
IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network


class ClientAddressResolver:
    """Reads X-Forwarded-For from the right, as far as trusted proxies wrote it."""

    def __init__(self, trusted_proxies: Iterable[str] = ()) -> None:
        self._trusted: tuple[IPNetwork, ...] = tuple(map(ip_network, trusted_proxies))

    def resolve(self, scope: Scope) -> str:
        """Return the client's address; of IPv6 the /64 network, which one customer owns."""
        peer = scope.get("client")
        nearest = _parse(peer[0]) if peer else None
        if nearest is None:
            return _UNKNOWN
        for hop in _hops(scope):
            if not self._trusts(nearest):
                break
            previous = _parse(hop)
            if previous is None:
                break  # a trusted proxy passed on an invalid address
            nearest = previous
        return _client_prefix(nearest)

    def _trusts(self, address: IPAddress) -> bool:
        return any(address in network for network in self._trusted)


def _hops(scope: Scope) -> Iterator[str]:
    values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    yield from reversed(b",".join(values).decode("latin-1").split(",") if values else ())


def _parse(text: str) -> IPAddress | None:
    """Read an address as proxies write them: bare, with a port, or in brackets."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _client_prefix(address: IPAddress) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((int(address), _IPV6_PREFIX_BITS), strict=False))
