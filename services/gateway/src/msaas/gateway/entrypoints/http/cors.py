"""The headers that pages of other origins may send and read."""

from typing import Final

ALLOWED_HEADERS: Final = (
    "accept-language",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
    "traceparent",
    "x-client",
    "x-correlation-id",
    "x-feature-flag",
    "x-stream-rows",
)
EXPOSED_HEADERS: Final = (
    *("deprecation", "etag", "idempotent-replayed", "link", "location", "retry-after", "sunset"),
    *("ratelimit-limit", "ratelimit-policy", "ratelimit-remaining", "ratelimit-reset"),
    *("x-correlation-id", "x-stream-cursor"),
)
