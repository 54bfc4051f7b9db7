"""The live stream of jobs: server-sent events, resumable by Last-Event-ID."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.types import Receive, Scope, Send

from msaas.contracts import Scope as ApiKeyScope
from msaas.contracts import hello_frame, is_cursor
from msaas.gateway.application.errors import StreamCapacityReached
from msaas.gateway.application.stream_connection import EndReason, StreamConnection
from msaas.gateway.entrypoints.http.dependencies import (
    AuthenticatorDep,
    EventHubDep,
    HealthDep,
    KeyStreamsDep,
)
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard
from msaas.web import get_hijacked_connection

_BUFFER_BYTES: Final = 32 * 1024
_SILENCE_TIMEOUT_SECONDS: Final = 30.0
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]

router = APIRouter(prefix="/api/v1/jobs")


@router.get("/stream", dependencies=[guard(RouteRule(scope=ApiKeyScope.JOBS_READ))])
async def stream_jobs(
    request: Request,
    authenticator: AuthenticatorDep,
    event_hub: EventHubDep,
    *,
    key_streams: KeyStreamsDep,
    health: HealthDep,
    rows: Annotated[bool, Query()] = False,
    x_stream_rows: Annotated[bool, Header()] = False,
) -> Response:
    user, expires_at = await authenticator.authenticate_scope(request.scope)
    if health.draining.is_set():
        raise StreamCapacityReached(retry_after=1)
    ends_at = time.monotonic() + expires_at - time.time()
    connection, start = event_hub.open(
        user.id, _last_event_id(request), ends_at=ends_at, wants_rows=rows or x_stream_rows
    )
    on_close: list[Callable[[], None]] = [partial(event_hub.close, user.id, connection)]
    if user.api_key is not None:
        end = partial(connection.end, EndReason.KEY_REVOKED)
        on_close.append(key_streams.register(user.api_key.id, end))
    return EventStream(connection, hello_frame(start, event_hub.retry_ms()), on_close)


def _last_event_id(request: Request) -> str | None:
    """Read the header, or the query parameter: a browser cannot set the header."""
    given = {
        ("header", "Last-Event-ID"): request.headers.get("last-event-id"),
        ("query", "last_event_id"): request.query_params.get("last_event_id"),
    }
    errors = [
        {"type": "cursor", "loc": loc, "msg": "Invalid event ID."}
        for loc, text in given.items()
        if text and not is_cursor(text)
    ]
    if errors:
        raise RequestValidationError(errors)
    return next(filter(None, given.values()), None)


class EventStream(Response):
    """Sends the head and hijacks the connection: an open stream needs no task."""

    def __init__(
        self, connection: StreamConnection, hello: bytes, on_close: Iterable[Callable[[], None]]
    ) -> None:
        super().__init__()
        self._connection = connection
        self._hello = hello
        self._on_close = on_close

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            hijacked = get_hijacked_connection(scope)
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        except BaseException:
            self._close()
            raise
        hijacked.hijack(
            self._close,
            send_buffer_bytes=_BUFFER_BYTES,
            user_timeout_seconds=_SILENCE_TIMEOUT_SECONDS,
        )
        self._connection.start(hijacked, self._hello)

    def _close(self) -> None:
        for on_close in self._on_close:
            on_close()
