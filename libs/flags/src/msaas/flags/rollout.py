"""The rollout of a flag: no users, internal users, a percentage of users, or all users."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

BUCKETS: Final = 10_000
_MAX_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Rollout:
    """`percent` of the users and, with `internal`, also internal users."""

    percent: int
    internal: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.percent <= _MAX_PERCENT:
            raise ValueError("a percentage must be from 0 to 100")

    @property
    def is_off(self) -> bool:
        return self.percent == 0 and not self.internal

    def includes(self, name: str, user_id: UUID) -> bool:
        return rollout_bucket(name, user_id) * _MAX_PERCENT < self.percent * BUCKETS


NO_USERS: Final = Rollout(0)
ALL_USERS: Final = Rollout(_MAX_PERCENT)


def rollout_bucket(name: str, user_id: UUID) -> int:
    """Return the bucket of a user for one flag: stable, and independent of other flags."""
    digest = sha256(name.encode() + b"\0" + user_id.bytes).digest()
    return int.from_bytes(digest[:8]) % BUCKETS
