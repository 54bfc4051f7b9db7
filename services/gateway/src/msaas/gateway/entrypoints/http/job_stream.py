"""The live stream: server-sent events, written by hand, resumable by Last-Event-ID."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.types import Receive, Scope, Send

from msaas.auth import Authenticator
from msaas.contracts import hello_frame, is_cursor
from msaas.gateway.application.api_key_streams import ApiKeyStreams
from msaas.gateway.application.errors import StreamCapacityReached
from msaas.gateway.application.job_event_hub import JobEventHub
from msaas.gateway.application.stream_connection import EndReason, StreamConnection
from msaas.web import Health, from_state, get_hijacked_connection

_BUFFER_BYTES: Final = 32 * 1024
_SILENCE_TIMEOUT_SECONDS: Final = 30.0
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]

router = APIRouter(prefix="/api/v1/jobs")


@router.get("/stream")
async def stream_jobs(
    request: Request,
    event_hub: Annotated[JobEventHub, Depends(from_state("live_jobs"))],
    health: Annotated[Health, Depends(from_state("health"))],
) -> Response:
    authenticator: Authenticator = request.state.authenticator
    user, expires_at = await authenticator.authenticate_scope(request.scope)
    if health.draining.is_set():
        raise StreamCapacityReached(retry_after=1)
    ends_at = time.monotonic() + expires_at - time.time()
    connection, start = event_hub.open(user.id, _last_event_id(request), ends_at=ends_at)
    on_close: list[Callable[[], None]] = [partial(event_hub.close, user.id, connection)]
    if user.api_key is not None:
        key_streams: ApiKeyStreams = request.state.held_streams
        on_close.append(
            key_streams.register(user.api_key.id, partial(connection.end, EndReason.KEY_REVOKED))
        )
    return EventStream(connection, hello_frame(start, event_hub.retry_ms()), on_close)


def _last_event_id(request: Request) -> str | None:
    """Take it from the header, or from the query where a browser cannot set one."""
    given = {
        ("header", "Last-Event-ID"): request.headers.get("last-event-id"),
        ("query", "last_event_id"): request.query_params.get("last_event_id"),
    }
    errors = [
        {"type": "cursor", "loc": place, "msg": "Invalid event ID."}
        for place, text in given.items()
        if text and not is_cursor(text)
    ]
    if errors:
        raise RequestValidationError(errors)
    return next(filter(None, given.values()), None)


class EventStream(Response):
    """Sends the head, hands the connection over, and is done: frames need no task of ours."""

    def __init__(
        self, connection: StreamConnection, hello: bytes, on_close: Iterable[Callable[[], None]]
    ) -> None:
        super().__init__()
        self._connection = connection
        self._hello = hello
        self._on_close = on_close

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            peer = get_hijacked_connection(scope)
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        except BaseException:
            self._close()
            raise
        peer.hijack(
            self._close,
            send_buffer_bytes=_BUFFER_BYTES,
            user_timeout_seconds=_SILENCE_TIMEOUT_SECONDS,
        )
        self._connection.start(peer, self._hello)

    def _close(self) -> None:
        for act in self._on_close:
            act()
