"""Resolves the denied names regularly, so that their addresses are denied too."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from msaas.browser_worker.egress.host_patterns import Endpoint, parse_address
from msaas.browser_worker.egress.own_addresses import format_endpoint
from msaas.browser_worker.egress.policy import EgressPolicy
from msaas.browser_worker.egress.proxy import Lookup

REFRESH_SECONDS: Final = 30.0


class DeniedNames:
    """A name that cannot be resolved for the moment keeps the addresses that it had."""

    def __init__(self, policy: EgressPolicy, patterns: Iterable[str], lookup: Lookup) -> None:
        self._policy = policy
        self._lookup = lookup
        self._names = [name for pattern in patterns if (name := _find_name(pattern))]
        self._addresses: dict[Endpoint, Sequence[str]] = {}

    async def refresh(self) -> None:
        for name in self._names:
            with suppress(OSError, ValueError):
                self._addresses[name] = await self._lookup(name.host)
        self._policy.deny_addresses(
            address if name.port is None else format_endpoint(address, name.port)
            for name, addresses in self._addresses.items()
            for address in addresses
        )


def _find_name(pattern: str) -> Endpoint | None:
    """Return what can be resolved: no network, no address, and no domain with its subdomains."""
    if "/" in pattern or pattern.startswith("."):
        return None
    endpoint = Endpoint.parse(pattern)
    return endpoint if parse_address(endpoint.host) is None else None
