"""The replay buffer: the last minutes of a user's frames, for clients that reconnect."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import NamedTuple, Self
from uuid import UUID

MAX_FRAMES = 2_000
MAX_BYTES = 1024 * 1024
RETENTION_MS = 5 * 60 * 1000


class StreamPosition(NamedTuple):
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
    """A frame about a job knows the job and its version."""

    position: StreamPosition
    data: bytes
    job_id: UUID | None = None
    version: int = 0


class SeenVersions(NamedTuple):
    """The newest versions of a job in the buffer: of its status, and of any frame."""

    status: int = 0
    latest: int = 0


class ReplayBuffer:
    """The frames of one user; frames below the floor have been dropped."""

    def __init__(self, floor: StreamPosition) -> None:
        self._frames: deque[Frame] = deque()
        self._seen: OrderedDict[UUID, SeenVersions] = OrderedDict()
        self._size = 0
        self.floor = floor

    def add(self, frame: Frame, job_id: UUID, version: int, *, is_progress: bool = False) -> bool:
        """Add a frame, unless a frame of the same or a newer version was added before.

        A progress frame has no status, so that it does not supersede an older status frame.
        """
        seen = self._seen.get(job_id, SeenVersions())
        if version <= (seen.latest if is_progress else seen.status):
            return False
        status = seen.status if is_progress else version
        self._seen[job_id] = SeenVersions(status, max(version, seen.latest))
        self._seen.move_to_end(job_id)
        self.append(frame)
        return True

    def append(self, frame: Frame) -> None:
        """Add a frame that has no version."""
        self._frames.append(frame)
        self._size += len(frame.data)
        self._evict(frame.position.ms - RETENTION_MS)

    def after(self, position: StreamPosition) -> Sequence[Frame] | None:
        """Return the frames after a position, or None if some have been dropped."""
        if position < self.floor:
            return None
        return [frame for frame in self._frames if frame.position > position]

    def is_idle_since(self, ms: int) -> bool:
        return not self._frames or self._frames[-1].position.ms < ms

    def _evict(self, oldest_ms: int) -> None:
        while (
            len(self._frames) > MAX_FRAMES
            or (self._size > MAX_BYTES and len(self._frames) > 1)
            or self._frames[0].position.ms < oldest_ms
        ):
            dropped = self._frames.popleft()
            self._size -= len(dropped.data)
            self.floor = max(self.floor, dropped.position)
        while len(self._seen) > MAX_FRAMES:
            self._seen.popitem(last=False)
