"""Encodes a message as the fields of a stream entry, and decodes it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import ValidationError

from msaas.contracts.errors import DecodeError, EncodeError, MessageTooLarge, UnsafeText
from msaas.contracts.message import Message
from msaas.contracts.text import refuse_unsafe_json
from msaas.contracts.topics import Topic

MAX_DATA = 256 * 1024
MAX_TTL_MS = 24 * 3600 * 1000
_CORRELATION = re.compile(r"[\x21-\x7e]{1,128}")
_REPLY_TO = re.compile(r"[\x21-\x7e]{1,255}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_ID = re.compile(r"[0-9A-Fa-f-]{36}")
_TTL = re.compile(r"[0-9]{1,8}")
_HEADERS = (b"id", b"correlation_id", b"ts", b"type", b"v", b"data")

MessageT_co = TypeVar("MessageT_co", bound=Message, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Generic[MessageT_co]):
    id: UUID
    message: MessageT_co
    correlation_id: str
    ts: datetime
    traceparent: str | None = None
    reply_to: str | None = None
    ttl_ms: int | None = None

    @property
    def type(self) -> str:
        return self.message.type_name()

    @property
    def v(self) -> int:
        return self.message.v


def encode(
    message: Message,
    *,
    id: UUID,  # noqa: A002  # the header's name
    correlation_id: str,
    ts: datetime,
    traceparent: str | None = None,
    reply_to: str | None = None,
    ttl_ms: int | None = None,
) -> dict[bytes, bytes]:
    """Return the entry's fields; raise EncodeError for what `decode` would refuse."""
    if ts.tzinfo is None:
        raise EncodeError("ts has no time zone")
    fields = build_headers(type(message), id=id, correlation_id=correlation_id, ts=ts)
    fields[b"data"] = _encode_data(message)
    if traceparent and _TRACEPARENT.fullmatch(traceparent):
        fields[b"traceparent"] = traceparent.encode()
    if reply_to is not None:
        fields[b"reply_to"] = _encode_header(_REPLY_TO, reply_to, "reply_to")
    if ttl_ms is not None:
        if not 0 < ttl_ms <= MAX_TTL_MS:
            raise EncodeError("ttl_ms is out of range")
        fields[b"ttl_ms"] = b"%d" % ttl_ms
    return fields


def build_headers(
    message: type[Message],
    *,
    id: UUID,  # noqa: A002  # the header's name
    correlation_id: str,
    ts: datetime,
) -> dict[bytes, bytes]:
    """Return the headers of every entry, without its data."""
    return {
        b"id": str(id).encode(),
        b"type": message.type_name().encode(),
        b"v": b"%d" % message.v,
        b"correlation_id": _encode_header(_CORRELATION, correlation_id, "correlation_id"),
        b"ts": ts.astimezone(UTC).isoformat().replace("+00:00", "Z").encode(),
    }


def _encode_header(pattern: re.Pattern[str], text: str, name: str) -> bytes:
    if not pattern.fullmatch(text):
        raise EncodeError(f"{name} is malformed")
    return text.encode()


def _encode_data(message: Message) -> bytes:
    try:
        data = message.__pydantic_serializer__.to_json(message)
    except ValueError:
        raise EncodeError("text contains a lone surrogate") from None
    if len(data) > MAX_DATA:
        raise MessageTooLarge(f"data is larger than {MAX_DATA} bytes")
    try:
        refuse_unsafe_json(data)
    except UnsafeText as error:
        raise EncodeError(error.reason) from None
    return data


def decode(topic: Topic, fields: Mapping[bytes, bytes]) -> Entry[Message]:
    """Read one entry; raise DecodeError with a reason that repeats none of its content."""
    for name in _HEADERS:
        if name not in fields:
            raise DecodeError(f"{name.decode()} is missing")
    message = topic.by_type.get(fields[b"type"])
    if message is None:
        raise DecodeError(f"type is not one of {topic.name}")
    if fields[b"v"] != b"%d" % message.v:
        raise DecodeError("v is not a known version")
    ttl = _read(_TTL, fields, b"ttl_ms")
    traceparent = fields.get(b"traceparent", b"").decode("latin-1")
    return Entry(
        id=_read_id(fields),
        message=_read_data(message, fields[b"data"]),
        correlation_id=_read(_CORRELATION, fields, b"correlation_id") or "",
        ts=_read_ts(fields[b"ts"]),
        # A malformed trace must not lose the message.
        traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else None,
        reply_to=_read(_REPLY_TO, fields, b"reply_to"),
        ttl_ms=None if ttl is None else min(int(ttl), MAX_TTL_MS),
    )


def _read(pattern: re.Pattern[str], fields: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    text = value.decode("latin-1")
    if not pattern.fullmatch(text):
        raise DecodeError(f"{name.decode()} is malformed")
    return text


def _read_id(fields: Mapping[bytes, bytes]) -> UUID:
    text = _read(_ID, fields, b"id")
    try:
        return UUID(text)
    except ValueError:
        raise DecodeError("id is not a UUID") from None


def _read_ts(value: bytes) -> datetime:
    try:
        ts = datetime.fromisoformat(value.decode("latin-1"))
    except ValueError:
        raise DecodeError("ts is not an ISO 8601 time") from None
    if ts.tzinfo is None:
        raise DecodeError("ts has no time zone")
    return ts


def _read_data(message: type[Message], data: bytes) -> Message:
    if len(data) > MAX_DATA:
        raise DecodeError(f"data is larger than {MAX_DATA} bytes")
    try:
        parsed = message.model_validate_json(data)
        refuse_unsafe_json(data)
    except UnsafeText as error:
        raise DecodeError(error.reason) from None
    except ValidationError as error:
        raise DecodeError(f"data: {_reason(message, error)}") from None
    return parsed


def _reason(message: type[Message], error: ValidationError) -> str:
    """Name the first invalid field and its error, without the sender's keys and values."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = first["loc"][0] if first["loc"] else ""
    field = f"{name}: " if name in message.model_fields else ""
    raised_here = first["type"] == "value_error"
    return field + (first["msg"].removeprefix("Value error, ") if raised_here else first["type"])
