"""How far a flag has come: nobody, insiders, a share of all users, everybody."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

BUCKETS: Final = 10_000
_MAX_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Rollout:
    """`percent` of the users, and with `internal` the insiders besides."""

    percent: int
    internal: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.percent <= _MAX_PERCENT:
            raise ValueError("a percentage is from 0 to 100")

    @property
    def is_off(self) -> bool:
        return self.percent == 0 and not self.internal

    def includes(self, name: str, user_id: UUID) -> bool:
        return rollout_bucket(name, user_id) * _MAX_PERCENT < self.percent * BUCKETS


NOBODY: Final = Rollout(0)
EVERYBODY: Final = Rollout(_MAX_PERCENT)


def rollout_bucket(name: str, user_id: UUID) -> int:
    """Place a user for one flag: always the same, and unlike their place for another flag."""
    digest = sha256(name.encode() + b"\0" + user_id.bytes).digest()
    return int.from_bytes(digest[:8]) % BUCKETS
