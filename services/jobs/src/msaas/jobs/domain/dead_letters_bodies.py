"""The fields of a dead letter as JSON that Postgres can hold, and the part that may be shown."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final, cast

_BINARY: Final = "base64:"
_MAX_LENGTH: Final = 500
_HEADERS: Final = frozenset({"id", "type", "v", "correlation_id", "ts"})
_DLQ_PREFIX: Final = "dlq_"
# The fields of messages that hold no user's content; any other field is withheld.
_SAFE_FIELDS: Final = frozenset(
    {
        *("deadline_ts", "failure_reason", "finished_at", "job_id", "lease_ms", "lease_until"),
        *("parent_job_id", "plan", "priority", "reason", "replay_id", "retry_id", "retryable"),
        *("run_at", "source", "started_at", "task_type", "user_id", "worker"),
    }
)


def pack(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {_as_text(name): _as_text(value) for name, value in fields.items()}


def unpack(body: Mapping[str, str]) -> dict[bytes, bytes]:
    return {_as_bytes(name): _as_bytes(value) for name, value in body.items()}


def redact(body: Mapping[str, str]) -> dict[str, Any]:
    """Show the names of all fields, and the values of those that hold no user's content."""
    shown: dict[str, Any] = {}
    for name, value in body.items():
        is_open = name in _HEADERS or name.startswith(_DLQ_PREFIX)
        shown[name[:_MAX_LENGTH]] = value[:_MAX_LENGTH] if is_open else _withheld(value)
    if "data" in body:
        shown["data"] = _redact_data(body["data"])
    return shown


def _redact_data(text: str) -> Any:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return _withheld(text)
    if not isinstance(found, dict):
        return _withheld(text)
    fields = cast("dict[str, Any]", found)
    return {name[:_MAX_LENGTH]: _redact_field(name, value) for name, value in fields.items()}


def _redact_field(name: str, value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if name in _SAFE_FIELDS and isinstance(value, str | int):
        return value[:_MAX_LENGTH] if isinstance(value, str) else value
    return "(withheld)"


def _withheld(text: str) -> str:
    return f"(withheld: {len(text)} characters)"


def _as_text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or text.startswith(_BINARY):
        return _BINARY + base64.b64encode(value).decode()
    return text


def _as_bytes(text: str) -> bytes:
    if text.startswith(_BINARY):
        return base64.b64decode(text.removeprefix(_BINARY))
    return text.encode()
