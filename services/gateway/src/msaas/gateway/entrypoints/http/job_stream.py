"""The live stream: server-sent events, written by hand, resumable by Last-Event-ID."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.types import Receive, Scope, Send

from msaas.contracts import hello_frame, is_cursor
from msaas.gateway.application.errors import NoMoreStreams
from msaas.gateway.application.held_streams import HeldStreams
from msaas.gateway.application.live_connection import Connection, Ending
from msaas.gateway.application.live_jobs import LiveJobs
from msaas.web import Health, from_state, get_peer
from msaas.web.auth import Authenticator

_BUFFER_BYTES: Final = 32 * 1024
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
    user, expires_at = await authenticator.identify(request.scope)
    if health.draining.is_set():
        raise NoMoreStreams(retry_after=1)
    ends_at = time.monotonic() + expires_at - time.time()
    connection, start = live.open(user.id, _last_event_id(request), ends_at=ends_at)
    at_the_end: list[Callable[[], None]] = [partial(live.close, user.id, connection)]
    if user.key is not None:
        held: HeldStreams = request.state.held_streams
        at_the_end.append(held.hold(user.key.id, partial(connection.end, Ending.KEY_ENDED)))
    return EventStream(connection, hello_frame(start, live.retry_ms()), at_the_end)


def _last_event_id(request: Request) -> str | None:
    """Take it from the header, or from the query where a browser cannot set one."""
    given = {
        ("header", "Last-Event-ID"): request.headers.get("last-event-id"),
        ("query", "last_event_id"): request.query_params.get("last_event_id"),
    }
    faults = [
        {"type": "cursor", "loc": place, "msg": "This is no place in it"}
        for place, text in given.items()
        if text and not is_cursor(text)
    ]
    if faults:
        raise RequestValidationError(faults)
    return next(filter(None, given.values()), None)


class EventStream(Response):
    """Sends the head, hands the connection over, and is done: frames need no task of ours."""

    def __init__(
        self, connection: Connection, hello: bytes, at_the_end: Iterable[Callable[[], None]]
    ) -> None:
        super().__init__()
        self._connection = connection
        self._hello = hello
        self._at_the_end = at_the_end

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            peer = get_peer(scope)
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        except BaseException:
            self._hang_up()
            raise
        peer.take_over(self._hang_up, buffer_bytes=_BUFFER_BYTES, silent_seconds=_SILENT_SECONDS)
        self._connection.begin(peer, self._hello)

    def _hang_up(self) -> None:
        for act in self._at_the_end:
            act()
