"""Builds the dead letter of a stream entry: the entry's fields, and why it failed."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

from msaas.contracts.entry import MAX_DATA
from msaas.contracts.text import normalise_text
from msaas.contracts.topics import Topic

DeadLetterKind = Literal["poison", "transient", "downstream"]

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
