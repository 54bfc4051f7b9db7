"""What one job asked of the network: which places, how many bytes, and what it did not get."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from msaas.browser_worker.guard import Refusal
from msaas.browser_worker.limits import Limits
from msaas.browser_worker.places import normal_host
from msaas.contracts import MAX_VISITED, VisitedPlace, normalise_text

Place = tuple[str, int]
Direction = Literal["received", "sent"]


@dataclass(slots=True)
class PlaceTraffic:
    connections: int = 0
    received: int = 0
    sent: int = 0
    refusals: int = 0
    refusal: Refusal | None = None


class Traffic:
    """Grows by a bounded number of places; those that are not listed any more still count."""

    def __init__(self, limits: Limits) -> None:
        self.received = 0
        self.sent = 0
        self._limits = limits
        self._places: OrderedDict[Place, PlaceTraffic] = OrderedDict()

    @property
    def is_spent(self) -> bool:
        return self.received > self._limits.received or self.sent > self._limits.sent

    def list_places(self) -> Sequence[tuple[Place, PlaceTraffic]]:
        return tuple(self._places.items())

    def tell(self) -> Sequence[VisitedPlace]:
        """Tell of as many places as a verdict may name, those first that were refused."""
        refused_first = sorted(self._places.items(), key=lambda one: not one[1].refusals)
        return [
            VisitedPlace(host=normalise_text(host), port=port, **asdict(place))
            for (host, port), place in refused_first[:MAX_VISITED]
        ]

    def note_refusal(self, host: str, port: int, why: Refusal) -> None:
        place = self._at(host, port)
        place.refusals += 1
        place.refusal = why

    def note_connection(self, host: str, port: int) -> PlaceTraffic:
        place = self._at(host, port)
        place.connections += 1
        place.refusal = None
        return place

    def count(self, place: PlaceTraffic, direction: Direction, size: int) -> None:
        if direction == "sent":
            place.sent += size
            self.sent += size
        else:
            place.received += size
            self.received += size

    def find_refusal(self, host: str, port: int) -> Refusal | None:
        """Tell why that place was refused when it was last asked for."""
        place = self._places.get((normal_host(host), port))
        return place and place.refusal

    def _at(self, host: str, port: int) -> PlaceTraffic:
        name = normal_host(host), port
        if name not in self._places and len(self._places) >= self._limits.places:
            self._places.popitem(last=False)
        return self._places.setdefault(name, PlaceTraffic())
