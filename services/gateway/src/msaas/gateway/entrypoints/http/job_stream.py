"""The live stream: server-sent events, written by hand, resumable by Last-Event-ID."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.types import Message, Receive, Scope, Send

from msaas.contracts import HEARTBEAT, hello_frame, is_cursor
from msaas.gateway.application.held_streams import HeldStreams
from msaas.gateway.application.live_jobs import Connection, LiveJobs
from msaas.web import Health, from_state
from msaas.web.auth import Authenticator

BEAT_EVERY: Final = 15.0
SEND_TIMEOUT: Final = 30.0
_RETRY_MS: Final = (1_000, 4_000)
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
    connection, start = live.open(user.id, _last_event_id(request))
    seconds = expires_at - time.time()
    stream = EventStream(live, user.id, connection, start=start, seconds=seconds, health=health)
    if user.key is not None:
        held: HeldStreams = request.state.held_streams
        stream.on_close = held.hold(user.key.id, connection.end)
    return stream


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
    """One connection's frames, until the token ends, the process goes, or nobody reads."""

    def __init__(
        self,
        live: LiveJobs,
        user_id: UUID,
        connection: Connection,
        *,
        start: str,
        seconds: float,
        health: Health,
    ) -> None:
        super().__init__()
        self._live = live
        self._user_id = user_id
        self._connection = connection
        self._start = start
        self._seconds = seconds
        self._health = health
        self.on_close: Callable[[], None] = lambda: None

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        watching = asyncio.create_task(self._watch(receive), name="sse disconnect")
        ending = asyncio.get_running_loop().call_later(self._seconds, self._connection.end)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await self._write(send)
        except TimeoutError:
            pass  # nobody reads: the server cuts the connection of an answer that has no end
        finally:
            ending.cancel()
            watching.cancel()
            self.on_close()
            self._live.close(self._user_id, self._connection)

    async def _write(self, send: Send) -> None:
        retry_ms = random.randint(*_RETRY_MS)  # noqa: S311  # spreading, not secrecy
        data = hello_frame(self._start, retry_ms)
        while True:
            is_over = self._connection.is_over or self._health.draining.is_set()
            data += self._connection.take()
            async with asyncio.timeout(SEND_TIMEOUT):
                await send(_body(data, more_body=not is_over))
            if is_over:
                return
            await self._connection.wait(BEAT_EVERY)
            data = b"" if self._connection.has_news else HEARTBEAT

    async def _watch(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self._connection.end()
                return


def _body(data: bytes, *, more_body: bool) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more_body}
