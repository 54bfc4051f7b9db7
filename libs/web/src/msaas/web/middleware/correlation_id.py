"""Gives every request a correlation id, in its logs, its response and its messages."""

import re
from typing import Final

from msaas.kernel import new_id
from msaas.telemetry import bind, span
from msaas.web.asgi import ASGIApp, Message, Receive, Scope, Send, find_header

HEADER: Final = b"x-correlation-id"
_ACCEPTED: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class CorrelationId:
    """Uses the client's `X-Correlation-ID` if it is safe to log, otherwise creates one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = find_header(scope["headers"], HEADER) or b""
        chosen = given.decode() if _ACCEPTED.fullmatch(given) else str(new_id())
        scope.setdefault("state", {})["correlation_id"] = chosen

        async def stamp(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (HEADER, chosen.encode())]
            await send(message)

        # A link, not the parent: a client may not decide which requests are sampled.
        linked = find_header(scope["headers"], b"traceparent") or b""
        with bind(correlation_id=chosen), span("http.request", links=[linked.decode("latin-1")]):
            await self._app(scope, receive, stamp)
