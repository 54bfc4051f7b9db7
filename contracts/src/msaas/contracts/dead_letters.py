"""Dead letters: how one is built from a stream entry, and the operators' commands on them."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias, cast
from uuid import UUID

from pydantic import Field

from msaas.contracts.entry import MAX_DATA
from msaas.contracts.message import Message, OnFull
from msaas.contracts.text import Identifier, ShortText, Timestamp, normalise_text
from msaas.contracts.topics import Topic

DeadLetterKind: TypeAlias = Literal["poison", "transient", "downstream"]
DeadLetterIds = Annotated[tuple[UUID, ...], Field(min_length=1, max_length=100)]

_HEADERS = (b"id", b"type", b"v", b"correlation_id", b"traceparent", b"ts")
_ID = re.compile(r"[0-9A-Fa-f-]{36}")


def build_dead_letter(
    topic: Topic,
    fields: Mapping[bytes, bytes],
    *,
    entry_id: str,
    error: str,
    kind: DeadLetterKind,
    deliveries: int,
    at: datetime,
) -> dict[bytes, bytes]:
    """Return the entry's fields with those of the dead letter, whose names begin with `dlq_`."""
    return {
        **_redact(topic, fields),
        b"dlq_entry_id": entry_id.encode(),
        b"dlq_kind": kind.encode(),
        b"dlq_error": normalise_text(error, 500).encode(),
        b"dlq_deliveries": b"%d" % deliveries,
        b"dlq_at": at.astimezone(UTC).isoformat().encode(),
    }


def _redact(topic: Topic, fields: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Keep all fields, except those a message forbids because they may hold secrets."""
    allowed = _allowed_fields(topic, fields.get(b"type", b""))
    if allowed is None:
        return {name: value[:MAX_DATA] for name, value in fields.items()}
    headers = {name: fields[name][:255] for name in _HEADERS if name in fields}
    body = _pick_ids(allowed, fields.get(b"data", b""))
    return {**headers, b"data": json.dumps(body).encode()}


def _allowed_fields(topic: Topic, type_name: bytes) -> frozenset[str] | None:
    """Return the data fields to keep; for an unknown type, those of any message of the topic."""
    if message := topic.by_type.get(type_name):
        return message.dead_letter_fields
    rules = [message.dead_letter_fields for message in topic.messages]
    limits = [rule for rule in rules if rule is not None]
    return frozenset[str]().union(*limits) if limits else None


def _pick_ids(names: frozenset[str], data: bytes) -> dict[str, str]:
    """Pick the ids out of a body that may not be JSON."""
    try:
        found: object = json.loads(data[:MAX_DATA])
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    body = cast("dict[str, Any]", found)
    values = {name: body.get(name) for name in sorted(names)}
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, str) and _ID.fullmatch(value)
    }


class LetterClass(StrEnum):
    TRANSIENT = "transient"  # may succeed when it is retried
    POISON = "poison"  # cannot be decoded, or can never succeed
    DOWNSTREAM = "downstream"  # a dependency of its handler was unavailable
    JOB = "job"  # a failed job: its database row is the dead letter


class LetterState(StrEnum):
    OPEN = "open"
    REPLAYED = "replayed"  # sent again; if it fails again, that is a new dead letter
    RESOLVED = "resolved"  # an operator closed it, with a reason


class ListDeadLetters(Message, on_full=OnFull.REFUSE):
    """Lists dead letters, newest first; `before_at` and `before_id` select the next page."""

    state: LetterState = LetterState.OPEN
    letter_class: LetterClass | None = None
    topic: Identifier | None = None
    before_at: Timestamp | None = None
    before_id: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class ShowDeadLetter(Message, on_full=OnFull.REFUSE):
    """Returns one dead letter without the content of a user's job."""

    letter_id: UUID


class ReplayDeadLetters(Message, on_full=OnFull.REFUSE):
    """Sent by an operator, or by the owner's timer for those that are due (`asked_by` is None).

    The sender creates `replay_id`, so that a repeated command replays nothing twice.
    """

    replay_id: UUID
    letters: DeadLetterIds
    asked_by: UUID | None = None


class ResolveDeadLetters(Message, on_full=OnFull.REFUSE):
    letters: DeadLetterIds
    reason: Annotated[ShortText, Field(min_length=1)]
    asked_by: UUID
