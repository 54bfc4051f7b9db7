"""What a dead letter is: its class by what it tells, and whether and when it may be replayed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from msaas.contracts import LetterClass, LetterState
from msaas.jobs.domain.errors import (
    DeadLetterResolved,
    ReplaysExhausted,
)

MAX_REPLAYS: Final = 3
REPLAYS_PER_MINUTE: Final = 50
BASE: Final = timedelta(seconds=30)
CAP: Final = timedelta(minutes=10)

# What a handler raised where something that it needs was not there, by the name that was noted.
_DOWNSTREAM_ERRORS: Final = frozenset(
    {
        *("CircuitOpen", "CommandTimeout", "ConnectionError", "ConnectionRefusedError"),
        *("ConnectionResetError", "DatabaseUnavailable", "DependencyUnavailable", "OSError"),
        *("TimeoutError", "WireUnavailable"),
    }
)


class BlockReason(StrEnum):
    """Why a replay that is wanted has not been done yet."""

    PAUSED = "paused"  # whoever would handle it is held: its breaker is open, or an operator did
    TOPIC_FULL = "topic_full"
    RATE_LIMITED = "rate"  # as many as a minute may have were replayed


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """As far as it decides of a replay; a job is a letter while it has failed."""

    id: UUID
    letter_class: LetterClass
    topic: str
    state: LetterState
    replays: int
    is_scheduled: bool = False


def classify(kind: str | None, error: str, *, quarantined: bool) -> LetterClass:
    """Take for poison what does not say what it is: it was not buried by us."""
    if quarantined or kind not in set(LetterClass) - {LetterClass.JOB}:
        return LetterClass.POISON
    if kind == LetterClass.TRANSIENT and error in _DOWNSTREAM_ERRORS:
        return LetterClass.DOWNSTREAM
    return LetterClass(kind)


def find_replay_delay(
    letter_class: LetterClass, replays: int, jitter: float, *, has_expired: bool
) -> timedelta | None:
    """Say how long until it is replayed by itself, or None where only an operator may.

    `has_expired`: a command whose sender was told that nothing more would happen.
    """
    if letter_class is LetterClass.POISON or has_expired or replays >= MAX_REPLAYS:
        return None
    return min(CAP, BASE * 2**replays) * jitter


def check_replay(letter: DeadLetter, *, requested: bool) -> bool:
    """Tell whether to go on; raise what an operator should know, pass over what a timer should."""
    if not requested and not letter.is_scheduled:
        return False
    if letter.state is LetterState.RESOLVED:
        raise DeadLetterResolved
    if letter.replays >= MAX_REPLAYS:
        raise ReplaysExhausted(replays=letter.replays)
    return True


def find_block_reason(
    letter: DeadLetter, blocked: Mapping[str, BlockReason], budget: int
) -> BlockReason | None:
    if letter.topic in blocked:
        return blocked[letter.topic]
    return None if budget > 0 else BlockReason.RATE_LIMITED
