"""The class of a dead letter, and whether and when it may be replayed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from msaas.contracts import LetterClass, LetterState
from msaas.jobs.domain.errors import DeadLetterResolved, ReplaysExhausted

MAX_REPLAYS: Final = 3
REPLAYS_PER_MINUTE: Final = 50
BASE: Final = timedelta(seconds=30)
CAP: Final = timedelta(minutes=10)

# Errors of a handler whose dependency was unavailable, by class name.
_DOWNSTREAM_ERRORS: Final = frozenset(
    {
        *("CircuitOpen", "CommandTimeout", "ConnectionError", "ConnectionRefusedError"),
        *("ConnectionResetError", "DatabaseUnavailable", "DependencyUnavailable", "OSError"),
        *("TimeoutError", "BrokerUnavailable"),
    }
)


class BlockReason(StrEnum):
    """Why a requested replay has not been done yet."""

    PAUSED = "paused"  # a breaker is open, or an operator paused the task type
    TOPIC_FULL = "topic_full"
    RATE_LIMITED = "rate"  # the limit of replays a minute is used up


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """What decides about a replay; a failed job is a dead letter too."""

    id: UUID
    letter_class: LetterClass
    topic: str
    state: LetterState
    replays: int
    is_scheduled: bool = False


def classify(kind: str | None, error: str, *, quarantined: bool) -> LetterClass:
    """Treat an entry without a known kind as poison: another program wrote it."""
    if quarantined or kind not in set(LetterClass) - {LetterClass.JOB}:
        return LetterClass.POISON
    if kind == LetterClass.TRANSIENT and error in _DOWNSTREAM_ERRORS:
        return LetterClass.DOWNSTREAM
    return LetterClass(kind)


def find_replay_delay(
    letter_class: LetterClass, replays: int, jitter: float, *, has_expired: bool
) -> timedelta | None:
    """Return how long until it is replayed automatically, or None if only an operator may.

    `has_expired`: a command whose sender got the reply that it had expired.
    """
    if letter_class is LetterClass.POISON or has_expired or replays >= MAX_REPLAYS:
        return None
    return min(CAP, BASE * 2**replays) * jitter


def check_replay(dead_letter: DeadLetter, *, requested: bool) -> bool:
    """Return False for what the timer should skip; raise what an operator should know."""
    if not requested and not dead_letter.is_scheduled:
        return False
    if dead_letter.state is LetterState.RESOLVED:
        raise DeadLetterResolved
    if dead_letter.replays >= MAX_REPLAYS:
        raise ReplaysExhausted(replays=dead_letter.replays)
    return True


def find_block_reason(
    dead_letter: DeadLetter, blocked: Mapping[str, BlockReason], budget: int
) -> BlockReason | None:
    if dead_letter.topic in blocked:
        return blocked[dead_letter.topic]
    return None if budget > 0 else BlockReason.RATE_LIMITED
