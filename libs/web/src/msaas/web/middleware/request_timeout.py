"""Ends a request that takes too long; an event stream has no timeout."""

import asyncio

from msaas.kernel import CommandTimeout
from msaas.web.asgi import ASGIApp, Message, Receive, Scope, Send, is_event_stream


class RequestTimeout:
    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        deadline = asyncio.timeout(self._seconds)

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start" and is_event_stream(message):
                deadline.reschedule(None)
            await send(message)

        try:
            async with deadline:
                await self._app(scope, receive, watch)
        except TimeoutError as error:
            if deadline.expired():
                raise CommandTimeout from error
            raise
