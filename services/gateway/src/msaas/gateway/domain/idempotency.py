"""What an Idempotency-Key is, which requests need one, and what is kept of their answers."""

import re
from enum import Enum, auto
from typing import Final

from msaas.gateway.domain.rate_limit_rules import API_PREFIX

_KEY_PATTERN: Final = re.compile(r"[\x21-\x7e]{1,255}")
_UNSAFE_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_WEBHOOKS_PATH: Final = "/api/v1/billing/webhooks"
_BILLING_PATH: Final = "/api/v1/billing"
# Keys and signing secrets are shown once, and never from a store.
_SECRET_PATHS: Final = tuple(f"{API_PREFIX}{part}" for part in ("api-keys", "webhook-endpoints"))


class ReplayPolicy(Enum):
    """What is kept of an answer: all of it, only that there was one, or nothing."""

    FULL = auto()
    MARKER_ONLY = auto()
    NONE = auto()


class ClaimOutcome(Enum):
    """What becomes of a claim: settled, free at once, or left until its time is over."""

    SETTLED = auto()
    RELEASED = auto()
    LEFT_TO_EXPIRE = auto()


def is_valid_key(text: str) -> bool:
    return _KEY_PATTERN.fullmatch(text) is not None


def supports_idempotency(method: str, path: str) -> bool:
    """Tell whether a key means anything here; whoever sends webhooks repeats by their own ids."""
    return (
        method in _UNSAFE_METHODS
        and path.startswith(API_PREFIX)
        and not path.startswith(_WEBHOOKS_PATH)
    )


def requires_key(path: str) -> bool:
    return path.startswith(_BILLING_PATH)


def get_replay_policy(path: str) -> ReplayPolicy:
    return ReplayPolicy.MARKER_ONLY if path.startswith(_SECRET_PATHS) else ReplayPolicy.FULL


def decide_claim_outcome(status: int, policy: ReplayPolicy) -> ClaimOutcome:
    """Keep what was done. What was refused made nothing: the same key may try again.

    After a crash nobody knows, so nobody repeats before the command's time is over.
    """
    if status >= 500 and status not in _NOT_EXECUTED_STATUSES:  # noqa: PLR2004 - HTTP's own number
        return ClaimOutcome.LEFT_TO_EXPIRE
    done = 200 <= status < 300 and policy is not ReplayPolicy.NONE  # noqa: PLR2004 - HTTP's own numbers
    return ClaimOutcome.SETTLED if done else ClaimOutcome.RELEASED


# Not begun, or past the moment up to which its owner would have begun it.
_NOT_EXECUTED_STATUSES: Final = frozenset({503, 504})
