"""What an Idempotency-Key is, and what is stored of the response to a request that has one."""

import re
from enum import Enum, auto
from typing import Final

_KEY_PATTERN: Final = re.compile(r"[\x21-\x7e]{1,255}")
_UNSAFE_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class ReplayPolicy(Enum):
    """What is stored of a response: all of it, that there was one, or nothing."""

    FULL = auto()
    MARKER_ONLY = auto()
    NONE = auto()


class ClaimOutcome(Enum):
    """What happens to a claim: completed, released at once, or left until it expires."""

    COMPLETED = auto()
    RELEASED = auto()
    LEFT_TO_EXPIRE = auto()


def is_valid_key(text: str) -> bool:
    return _KEY_PATTERN.fullmatch(text) is not None


def changes_state(method: str) -> bool:
    return method in _UNSAFE_METHODS


def decide_claim_outcome(status: int, policy: ReplayPolicy) -> ClaimOutcome:
    """Complete the claim of a success; release that of a refusal, which changed nothing.

    After a crash the effect is unknown: the claim expires after the command's deadline.
    """
    if status >= 500 and status not in _NOT_EXECUTED_STATUSES:  # noqa: PLR2004 - HTTP's own number
        return ClaimOutcome.LEFT_TO_EXPIRE
    done = 200 <= status < 300 and policy is not ReplayPolicy.NONE  # noqa: PLR2004 - HTTP's own numbers
    return ClaimOutcome.COMPLETED if done else ClaimOutcome.RELEASED


# The command was not sent, or is past the deadline up to which its handler starts it.
_NOT_EXECUTED_STATUSES: Final = frozenset({503, 504})
