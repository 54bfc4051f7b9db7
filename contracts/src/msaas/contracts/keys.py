"""Every Redis key of the fleet, built in one place."""

import re
from uuid import UUID

PERMANENT_KEYS = ("msaas:*:stream:*", "msaas:*:epoch", "msaas:*:queue:*")
"""Patterns of the keys without a TTL: streams (bounded or trimmed), the epoch and queues."""

_PROCESS = re.compile(r"[a-z0-9][A-Za-z0-9._-]{0,199}")


def stream_key(env: str, name: str, version: int, consumer: str | None = None) -> str:
    suffix = f".{consumer}" if consumer else ""
    return f"msaas:{env}:stream:{name}.v{version}{suffix}"


def reply_key(env: str, process: str) -> str:
    """Name the reply stream of one process, whose name begins with its kind and a hyphen."""
    return f"msaas:{env}:reply:{process}"


def is_reply_key(env: str, key: str) -> bool:
    prefix = reply_key(env, "")
    return key.startswith(prefix) and _PROCESS.fullmatch(key, len(prefix)) is not None


def queue_key(env: str, name: str) -> str:
    """Name a list for external producers that do not use streams."""
    return f"msaas:{env}:queue:{name}"


def epoch_key(env: str) -> str:
    return f"msaas:{env}:epoch"


def cancel_key(env: str, job_id: UUID | str) -> str:
    return f"msaas:{env}:cancel:{job_id}"


def claim_key(env: str, job_id: UUID | str, claim: str) -> str:
    """Name the claim of the one run that may act, of all runs of a `once` task with this claim."""
    return f"msaas:{env}:claim:{job_id}:{claim}"


def feature_key(env: str, name: str, scope: str) -> str:
    """Name the published state of a feature flag for one scope."""
    return f"msaas:{env}:feature:{name}:{scope}"


def rate_limit_key(env: str, category: str, owner: str) -> str:
    """Name the counter of one owner (a user, an address) in one category of limits."""
    return f"msaas:{env}:ratelimit:{category}:{owner}"


def idempotency_key(env: str, owner: str, digest: str) -> str:
    """Name a request by its owner and the digest of its Idempotency-Key."""
    return f"msaas:{env}:idempotency:{owner}:{digest}"


def cache_key(env: str, name: str, entry: str) -> str:
    return f"msaas:{env}:cache:{name}:{entry}"
