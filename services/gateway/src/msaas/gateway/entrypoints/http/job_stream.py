"""The live stream: server-sent events, written by hand, resumable by Last-Event-ID."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from msaas.contracts import hello_frame, is_cursor
from msaas.gateway.application.errors import NoMoreStreams
from msaas.gateway.application.live_connection import Connection, Ending
from msaas.gateway.application.live_jobs import LiveJobs
from msaas.web import Health, find_peer, from_state
from msaas.web.auth import Authenticator

# Enough for all that a connection may hold; what a reader does not take stays with us.
_UNREAD_BYTES: Final = 32 * 1024
_SILENT_SECONDS: Final = 30.0
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]

router = APIRouter(prefix="/api/v1/jobs")


@router.get("/stream")
async def follow_jobs(
    request: Request,
    live: Annotated[LiveJobs, Depends(from_state("live_jobs"))],
    health: Annotated[Health, Depends(from_state("health"))],
) -> Response:
    authenticator: Authenticator = request.state.authenticator
    header = request.headers.get("authorization")
    user, expires_at = await authenticator.authenticate_with_expiry(header)
    request.state.user_id = user.id  # for the log line of the request
    if health.draining.is_set():
        raise NoMoreStreams(retry_after=1)
    ends_at = time.monotonic() + expires_at - time.time()
    connection, start = live.open(
        user.id, _last_event_id(request), ends_at=ends_at, cut=_bound(request.scope)
    )
    return EventStream(live, user.id, connection, hello_frame(start, live.retry_ms()))


def _bound(scope: Scope) -> Callable[[], None]:
    """Keep little for a reader that reads nothing, and return the way to be rid of it."""
    peer = find_peer(scope)
    if peer is None:
        return lambda: None
    peer.bound(unread_bytes=_UNREAD_BYTES, silent_seconds=_SILENT_SECONDS)
    return peer.cut


def _last_event_id(request: Request) -> str | None:
    """Take it from the header, or from the query where a browser cannot set one."""
    given = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    if given is None or is_cursor(given):
        return given
    fault = {"type": "cursor", "loc": ("header", "Last-Event-ID"), "msg": "This is no place in it"}
    raise RequestValidationError([fault])


class EventStream(Response):
    """One connection's frames, until somebody ends it; whoever attends to it beats and cuts."""

    def __init__(
        self, live: LiveJobs, user_id: UUID, connection: Connection, first_word: bytes
    ) -> None:
        super().__init__()
        self._live = live
        self._user_id = user_id
        self._connection = connection
        self._first_word = first_word

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        watching = asyncio.create_task(self._watch(receive), name="sse disconnect")
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await self._write(send)
        finally:
            watching.cancel()
            self._live.close(self._user_id, self._connection)

    async def _write(self, send: Send) -> None:
        connection, data, is_over = self._connection, self._first_word, False
        while not is_over:
            is_over = connection.is_over
            data += connection.take()
            await send(_body(data, more_body=not is_over))
            await connection.wait()
            data = b""

    async def _watch(self, receive: Receive) -> None:
        """End with the reader, or with one that sends more than a request for a stream has."""
        with suppress(HTTPException):
            while (await receive())["type"] != "http.disconnect":
                pass
        self._connection.end(Ending.LEFT)


def _body(data: bytes, *, more_body: bool) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more_body}
