"""The live stream of jobs: server-sent events, resumable by Last-Event-ID."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.types import Receive, Scope, Send

from msaas.auth import Authenticator
from msaas.contracts import Scope as ApiKeyScope
from msaas.contracts import hello_frame, is_cursor
from msaas.gateway.application.api_key_streams import ApiKeyStreams
from msaas.gateway.application.errors import StreamCapacityReached
from msaas.gateway.application.job_event_hub import JobEventHub
from msaas.gateway.application.stream_connection import EndReason, StreamConnection
from msaas.gateway.entrypoints.http.dependencies import (
    AuthenticatorDep,
    EventHubDep,
    HealthDep,
    KeyStreamsDep,
)
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard
from msaas.web import Health, get_hijacked_connection

_BUFFER_BYTES: Final = 32 * 1024
_SILENCE_TIMEOUT_SECONDS: Final = 30.0
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]

router = APIRouter(prefix="/api/v1/jobs")


class StreamOpener:
    """Opens a stream of the caller at a hub; it ends with the caller's token or key."""

    def __init__(
        self, authenticator: Authenticator, key_streams: ApiKeyStreams, health: Health
    ) -> None:
        self._authenticator = authenticator
        self._key_streams = key_streams
        self._health = health

    async def __call__(
        self,
        request: Request,
        hub: JobEventHub,
        *,
        wants_rows: bool = False,
        run_id: UUID | None = None,
    ) -> Response:
        user, expires_at = await self._authenticator.authenticate_scope(request.scope)
        if self._health.draining.is_set():
            raise StreamCapacityReached(retry_after=1)
        connection, start = hub.open(
            user.id,
            _last_event_id(request),
            ends_at=time.monotonic() + expires_at - time.time(),
            wants_rows=wants_rows,
            run_id=run_id,
        )
        on_close: list[Callable[[], None]] = [partial(hub.close, user.id, connection)]
        if user.api_key is not None:
            end = partial(connection.end, EndReason.KEY_REVOKED)
            on_close.append(self._key_streams.register(user.api_key.id, end))
        return EventStream(connection, hello_frame(start, hub.retry_ms()), on_close)


async def create_opener(
    authenticator: AuthenticatorDep, key_streams: KeyStreamsDep, health: HealthDep
) -> StreamOpener:
    return StreamOpener(authenticator, key_streams, health)


OpenStreamDep = Annotated[StreamOpener, Depends(create_opener)]


@router.get("/stream", dependencies=[guard(RouteRule(scope=ApiKeyScope.JOBS_READ))])
async def stream_jobs(
    request: Request,
    event_hub: EventHubDep,
    open_stream: OpenStreamDep,
    *,
    rows: Annotated[bool, Query()] = False,
    x_stream_rows: Annotated[bool, Header()] = False,
) -> Response:
    return await open_stream(request, event_hub, wants_rows=rows or x_stream_rows)


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
