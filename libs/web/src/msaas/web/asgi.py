"""ASGI helpers of the middleware."""

from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = [
    "ASGIApp",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "find_header",
    "get_route_template",
    "is_event_stream",
    "is_json",
]

UNMATCHED_ROUTE: Final = "unmatched"


def find_header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    for key, value in headers:  # ASGI has every name in lower case
        if key == name:
            return value
    return None


def is_json(scope: Scope) -> bool:
    declared = find_header(scope["headers"], b"content-type") or b""
    media_type = declared.partition(b";")[0].strip().lower()
    return media_type == b"application/json" or (
        media_type.startswith(b"application/") and media_type.endswith(b"+json")
    )


def is_event_stream(start: Message) -> bool:
    declared = find_header(start.get("headers", ()), b"content-type") or b""
    return declared.startswith(b"text/event-stream")


def get_route_template(scope: Scope) -> str:
    """Name the template of the matched route; all paths that match none share one name."""
    # FastAPI keeps the path that a router was included under beside the route itself.
    included = scope.get("fastapi", {}).get("effective_route_context")
    route = included or scope.get("route")
    return getattr(route, "path_format", None) or UNMATCHED_ROUTE
