"""The traffic of one job: endpoints, bytes and refusals."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from msaas.browser_worker.egress.host_patterns import normalise_host
from msaas.browser_worker.egress.policy import Refusal
from msaas.browser_worker.limits import Limits
from msaas.contracts import MAX_VISITED_HOSTS, VisitedPlace, normalise_text

HostPort = tuple[str, int]
TrafficDirection = Literal["received", "sent"]


@dataclass(slots=True)
class EndpointTraffic:
    connections: int = 0
    received: int = 0
    sent: int = 0
    refusals: int = 0
    refusal: Refusal | None = None


class TrafficLog:
    """Lists a limited number of endpoints; the bytes of all of them count."""

    def __init__(self, limits: Limits) -> None:
        self.received = 0
        self.sent = 0
        self._limits = limits
        self._endpoints: OrderedDict[HostPort, EndpointTraffic] = OrderedDict()

    @property
    def is_over_limit(self) -> bool:
        return self.received > self._limits.received or self.sent > self._limits.sent

    def list_endpoints(self) -> Sequence[tuple[HostPort, EndpointTraffic]]:
        return tuple(self._endpoints.items())

    def list_visited_places(self) -> Sequence[VisitedPlace]:
        """Return as many endpoints as a message may carry, refused ones first."""
        endpoints = sorted(self._endpoints.items(), key=lambda endpoint: not endpoint[1].refusals)
        return [
            VisitedPlace(host=normalise_text(host), port=port, **asdict(traffic))
            for (host, port), traffic in endpoints[:MAX_VISITED_HOSTS]
        ]

    def record_refusal(self, host: str, port: int, refusal: Refusal) -> None:
        endpoint = self._get_endpoint(host, port)
        endpoint.refusals += 1
        endpoint.refusal = refusal

    def record_connection(self, host: str, port: int) -> EndpointTraffic:
        endpoint = self._get_endpoint(host, port)
        endpoint.connections += 1
        endpoint.refusal = None
        return endpoint

    def record_bytes(
        self, endpoint: EndpointTraffic, direction: TrafficDirection, size: int
    ) -> None:
        if direction == "sent":
            endpoint.sent += size
            self.sent += size
        else:
            endpoint.received += size
            self.received += size

    def find_refusal(self, host: str, port: int) -> Refusal | None:
        """Return why the last connection to that endpoint was refused, if it was."""
        endpoint = self._endpoints.get((normalise_host(host), port))
        return endpoint and endpoint.refusal

    def _get_endpoint(self, host: str, port: int) -> EndpointTraffic:
        name = normalise_host(host), port
        if name not in self._endpoints and len(self._endpoints) >= self._limits.tracked_endpoints:
            self._endpoints.popitem(last=False)
        return self._endpoints.setdefault(name, EndpointTraffic())
