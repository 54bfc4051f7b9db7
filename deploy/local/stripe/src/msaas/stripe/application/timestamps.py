"""Times of v2, which are texts in RFC 3339."""

from datetime import UTC, datetime

from msaas.stripe.domain.errors import ApiError


def rfc3339(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def read_rfc3339(text: str, param: str) -> int:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise ApiError(f"Invalid timestamp: {param}", param=param) from error
    if parsed.tzinfo is None:
        raise ApiError(f"The timestamp needs a time zone: {param}", param=param)
    return int(parsed.timestamp())
