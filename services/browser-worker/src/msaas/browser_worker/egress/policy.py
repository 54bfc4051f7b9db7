"""Decides which hosts and addresses a page may reach."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from msaas.browser_worker.egress.host_patterns import HostPatterns

DEFAULT_PORTS: Final = frozenset({80, 443, 8080, 8443})
# Every special-purpose block, spelt out because `is_global` differs between Python versions.
_IPV4_SPECIAL_NETWORKS: Final = tuple(
    IPv4Network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
        # A public address that serves machine secrets inside its cloud (Azure).
        "168.63.129.16/32",
    )
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
# Inside the global range, but special-purpose; some embed an IPv4 address.
_IPV6_SPECIAL_NETWORKS: Final = tuple(
    IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
# Cloud metadata services, which serve credentials: refused by name, whatever the address.
_METADATA_HOSTS: Final = HostPatterns(
    (
        *(".metadata.google.internal", "metadata.goog", "metadata", "metadata.azure.internal"),
        *("instance-data", "instance-data.ec2.internal", "metadata.tencentyun.com"),
    )
)


class Refusal(StrEnum):
    """Why a connection was refused."""

    BLOCKED = "blocked"  # not a public address, or one of the fleet's own
    DENIED = "denied"  # denied by the operator or by the fleet itself
    PORT = "port"  # the port is not allowed
    LIMIT_EXCEEDED = "spent"  # the job has used up its traffic
    UNKNOWN_HOST = "unknown_host"  # the name does not exist
    UNREACHABLE = "unreachable"  # nothing answers there now


_UNTOLD_REFUSALS: Final = frozenset({Refusal.BLOCKED, Refusal.DENIED, Refusal.UNKNOWN_HOST})


class EgressPolicy:
    """Allows public addresses at allowed ports, and other hosts only where the operator lists them.

    A denied host stays denied whatever is allowed. `own_addresses` are the fleet's, public or not,
    as addresses or networks.
    """

    def __init__(
        self,
        allowed: Iterable[str] = (),
        *,
        denied: Iterable[str] = (),
        own_addresses: Iterable[str] = (),
        ports: Iterable[int] = DEFAULT_PORTS,
    ) -> None:
        self._allowed = HostPatterns(allowed)
        self._denied = HostPatterns(denied)
        self._denied_addresses = HostPatterns(())
        self._own_addresses = HostPatterns(own_addresses)
        self._ports = frozenset(ports)

    def deny_addresses(self, endpoints: Iterable[str]) -> None:
        """Deny the present addresses of denied names, instead of their former ones."""
        self._denied_addresses = HostPatterns(endpoints)

    def find_reported_refusal(self, refusal: Refusal, host: str, port: int) -> Refusal:
        """Return one word for all that would tell a user which inner names exist."""
        if refusal not in _UNTOLD_REFUSALS or self._allowed.matches_host(host, port):
            return refusal
        return Refusal.BLOCKED if port in self._ports else Refusal.PORT

    def find_refusal(self, host: str, port: int, addresses: Sequence[str]) -> Refusal | None:
        """Return why a host with these addresses may not be reached, or None."""
        if any(
            patterns.matches_host(host, port) or patterns.matches_any(addresses, port)
            for patterns in (_METADATA_HOSTS, self._denied, self._denied_addresses)
        ):
            return Refusal.DENIED
        if self._allowed.matches_host(host, port) or self._allowed.networks_contain_all(addresses):
            return None
        if port not in self._ports:
            return Refusal.PORT
        is_outside = bool(addresses) and all(map(is_public, addresses))
        return (
            None
            if is_outside and not self._own_addresses.matches_any(addresses, port)
            else Refusal.BLOCKED
        )


def is_public(address: str) -> bool:
    """Return whether an address is public; an unknown kind is not."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        return _is_public_ipv6(parsed)
    return not any(parsed in block for block in _IPV4_SPECIAL_NETWORKS)


def _is_public_ipv6(address: IPv6Address) -> bool:
    """Only global unicast is public: mapped, translated and tunnelled forms lie elsewhere."""
    return (
        address.scope_id is None
        and address in _GLOBAL_UNICAST
        and not any(address in block for block in _IPV6_SPECIAL_NETWORKS)
    )
