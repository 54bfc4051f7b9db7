"""What an Idempotency-Key is, which requests need one, and what is kept of their answers."""

import re
from enum import Enum, auto
from typing import Final

from msaas.gateway.domain.rate_rules import API

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_CHANGES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_WEBHOOKS: Final = "/api/v1/billing/webhooks"
_BILLING: Final = "/api/v1/billing"
# Keys and signing secrets are shown once, and never from a store.
_SECRETS: Final = tuple(f"{API}{part}" for part in ("api-keys", "webhook-endpoints"))


class Keeping(Enum):
    """What is kept of an answer: all of it, only that there was one, or nothing."""

    WHOLE = auto()
    FACT = auto()
    NOTHING = auto()


class Fate(Enum):
    """What becomes of a claim: settled, free at once, or left until its time is over."""

    SETTLED = auto()
    RELEASED = auto()
    LEFT = auto()


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def may_repeat(method: str, path: str) -> bool:
    """Tell whether a key means anything here; whoever sends webhooks repeats by their own ids."""
    return method in _CHANGES and path.startswith(API) and not path.startswith(_WEBHOOKS)


def needs_key(path: str) -> bool:
    return path.startswith(_BILLING)


def keeping_by_path(path: str) -> Keeping:
    return Keeping.FACT if path.startswith(_SECRETS) else Keeping.WHOLE


def decide_fate(status: int, keeping: Keeping) -> Fate:
    """Keep what was done. What was refused made nothing: the same key may try again.

    After a crash nobody knows, so nobody repeats before the command's time is over.
    """
    if status >= 500 and status not in _KNOWN:  # noqa: PLR2004 - HTTP's own number
        return Fate.LEFT
    done = 200 <= status < 300 and keeping is not Keeping.NOTHING  # noqa: PLR2004 - HTTP's own numbers
    return Fate.SETTLED if done else Fate.RELEASED


# Not begun, or past the moment up to which its owner would have begun it.
_KNOWN: Final = frozenset({503, 504})
