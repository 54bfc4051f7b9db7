"""What a reader that comes back has missed: the last minutes of each user's frames."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import NamedTuple, Self
from uuid import UUID

MOST_FRAMES = 2_000
KEPT_MS = 5 * 60 * 1000


class Place(NamedTuple):
    """The id of a stream entry, which sorts by time."""

    ms: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        ms, _, number = text.partition("-")
        return cls(int(ms), int(number))

    def __str__(self) -> str:
        return f"{self.ms}-{self.number}"

    @property
    def next(self) -> Self:
        return self._replace(number=self.number + 1)


class Frame(NamedTuple):
    place: Place
    data: bytes


class Seen(NamedTuple):
    """The newest versions of a job that were shown: of its status, and of anything."""

    status: int = 0
    anything: int = 0


class Ring:
    """One user's frames. Below its floor it cannot tell what there was."""

    def __init__(self, floor: Place) -> None:
        self._frames: deque[Frame] = deque()
        self._seen: OrderedDict[UUID, Seen] = OrderedDict()
        self.floor = floor

    def add(self, frame: Frame, job_id: UUID, version: int, *, is_progress: bool = False) -> bool:
        """Take a frame in unless a newer one, or this one, of its job was here before.

        Progress tells no status, so one that overtakes a status does not make that one old.
        """
        seen = self._seen.get(job_id, Seen())
        if version <= (seen.anything if is_progress else seen.status):
            return False
        status = seen.status if is_progress else version
        self._seen[job_id] = Seen(status, max(version, seen.anything))
        self._seen.move_to_end(job_id)
        self._frames.append(frame)
        self._forget(frame.place.ms - KEPT_MS)
        return True

    def after(self, place: Place) -> Sequence[Frame] | None:
        """Return what came after a place, or None where that can no longer be said."""
        if place < self.floor:
            return None
        return [frame for frame in self._frames if frame.place > place]

    def is_idle_since(self, ms: int) -> bool:
        return not self._frames or self._frames[-1].place.ms < ms

    def _forget(self, oldest_ms: int) -> None:
        while len(self._frames) > MOST_FRAMES or self._frames[0].place.ms < oldest_ms:
            self.floor = max(self.floor, self._frames.popleft().place)
        while len(self._seen) > MOST_FRAMES:
            self._seen.popitem(last=False)
