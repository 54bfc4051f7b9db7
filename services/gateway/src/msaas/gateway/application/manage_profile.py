"""Users change what they are called, their language, and when they hear about their quota."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

QUOTA_LEVELS: Final = (50, 80, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChange:
    """Only the named fields change; None empties one."""

    fields: frozenset[str]
    display_name: str | None = None
    locale: str | None = None


class Profiles(Protocol):
    async def change(self, user_id: UUID, change: ProfileChange) -> None: ...

    async def set_quota_levels(self, user_id: UUID, levels: Sequence[int]) -> None: ...


def find_reached_level(used: int, limit: int | None, levels: Sequence[int]) -> int | None:
    """Return the highest of the user's levels, in percent, that the usage has reached."""
    if not limit:
        return None
    return max((level for level in levels if used * 100 >= level * limit), default=None)
