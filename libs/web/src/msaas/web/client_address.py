"""From whom a request came, where only the proxies that are ours are believed about it."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from msaas.web.asgi import Scope

_IPV6_PREFIX_BITS: Final = 64  # what one customer of a provider has at least
_UNKNOWN: Final = "unknown"  # a Unix socket has no address
IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network


class ClientAddressResolver:
    """Reads X-Forwarded-For from the right, as far as each hop was written by a proxy of ours."""

    def __init__(self, trusted_proxies: Iterable[str] = ()) -> None:
        self._trusted: tuple[IPNetwork, ...] = tuple(ip_network(one) for one in trusted_proxies)

    def resolve(self, scope: Scope) -> str:
        """Name the client's address, or the /64 of one in IPv6: whoever has one has them all."""
        peer = scope.get("client")
        nearest = _parse(peer[0]) if peer else None
        if nearest is None:
            return _UNKNOWN
        for hop in _hops(scope):
            if not self._trusts(nearest):
                break
            previous = _parse(hop)
            if previous is None:
                break  # a proxy of ours passed on what is no address: nothing behind it is known
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
