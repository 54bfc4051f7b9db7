"""What a run waits for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

MAX_CHILDREN: Final = 100
"""Those beyond it are waited for when these have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Until the children have ended, a person has answered, or the time has come."""

    children: tuple[UUID, ...] = ()
    approvals: tuple[UUID, ...] = ()
    until: datetime

    @property
    def for_person(self) -> bool:
        return bool(self.approvals) and not self.children


def merge_waits(waits: Sequence[Wait]) -> Wait:
    """Wait for what several nodes wait for; each looks again when the run is woken."""
    children = [child for wait in waits for child in wait.children]
    return Wait(
        children=tuple(dict.fromkeys(children))[:MAX_CHILDREN],
        approvals=tuple(dict.fromkeys(each for wait in waits for each in wait.approvals)),
        until=min(wait.until for wait in waits),
    )
