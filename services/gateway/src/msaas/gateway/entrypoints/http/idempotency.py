"""The layer that lets a request with an Idempotency-Key be repeated, and done once."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match

from msaas.cache import IdempotencyClaim
from msaas.gateway.application.errors import IdempotencyKeyRequired, IdempotencyMismatch
from msaas.gateway.application.idempotent_requests import IdempotentRequests
from msaas.gateway.domain.idempotency import (
    ReplayPolicy,
    get_replay_policy,
    is_valid_key,
    requires_key,
    supports_idempotency,
)
from msaas.gateway.entrypoints.http.callers import CallerResolver
from msaas.telemetry import Metrics
from msaas.web import problem_for, problem_response
from msaas.web.asgi import ASGIApp, Message, Receive, Scope, Send, find_header, is_json

HEADER: Final = b"idempotency-key"
_STATE_KEY: Final = "replay_policy"
# What an answer says of itself; all else is said of the request that it is given to.
_STORED_HEADERS: Final = (b"content-type", b"etag", b"location")
_INVALID_KEY_ERROR: Final[Mapping[str, str]] = {
    "in": "header",
    "pointer": "/Idempotency-Key",
    "code": "idempotency_key",
    "detail": "An Idempotency-Key is 1 to 255 visible ASCII characters",
}


def set_replay_policy(request: Request, policy: ReplayPolicy) -> None:
    """For a route that knows more about its answer than its path does."""
    request.scope["state"][_STATE_KEY] = policy


class IdempotencyMiddleware:
    """Stands behind the reading of the body, which has been found good."""

    def __init__(
        self,
        app: ASGIApp,
        idempotent_requests: IdempotentRequests,
        callers: CallerResolver,
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._idempotent_requests = idempotent_requests
        self._callers = callers
        self._replays = metrics.counter(
            "msaas_idempotent_replays_total", "Requests answered with a stored response."
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = await self._select_app(scope) if scope["type"] == "http" else self._app
        await app(scope, receive, send)

    async def _select_app(self, scope: Scope) -> ASGIApp:
        path: str = scope["path"]
        if not supports_idempotency(scope["method"], path) or not (
            caller := await self._callers.find(scope)
        ):
            return self._app
        header = find_header(scope["headers"], HEADER)
        if header is None:
            required = requires_key(path)
            return problem_for(IdempotencyKeyRequired(), scope) if required else self._app
        key = header.decode("latin-1")
        if not is_valid_key(key):
            return problem_response(scope, "validation_failed", errors=[_INVALID_KEY_ERROR])

        async def once(scope: Scope, receive: Receive, send: Send) -> None:
            body = await _read_body(receive)
            try:
                begun = await self._idempotent_requests.begin(
                    caller.user_id, key, _describe_request(scope, body)
                )
            except IdempotencyMismatch:
                if _is_routed(scope):
                    raise
                await self._app(scope, _with_body(body, receive), send)  # to be told so
                return
            if isinstance(begun, bytes):
                self._replays.inc()
                await _restore_response(begun)(scope, receive, send)
            else:
                await self._execute(begun, body, (scope, receive, send))

        return once

    async def _execute(
        self, claim: IdempotencyClaim, body: bytes, call: tuple[Scope, Receive, Send]
    ) -> None:
        """Settle the claim before the answer leaves: whoever has it may repeat at once."""
        scope, receive, send = call
        start: Message = {}
        chunks: list[bytes] = []

        async def hold(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            chunks.append(message.get("body", b""))
            if message.get("more_body"):
                return
            whole = b"".join(chunks)
            keeping = scope["state"].get(_STATE_KEY) or get_replay_policy(scope["path"])
            await self._idempotent_requests.finish(
                claim, start["status"], _serialize_response(start, whole), keeping
            )
            await send(start)
            await send({"type": "http.response.body", "body": whole})

        await self._app(scope, _with_body(body, receive), hold)


def _is_routed(scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in scope["app"].routes)


async def _read_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def _with_body(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return messages.pop() if messages else await receive()

    return give


def _describe_request(scope: Scope, body: bytes) -> Mapping[str, Any]:
    """Compare JSON by what it says: a client may spell the same request differently."""
    return {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode("latin-1"),
        "body": orjson.loads(body) if body and is_json(scope) else body.hex(),
    }


def _serialize_response(start: Message, body: bytes) -> bytes:
    headers = [
        (name.decode(), value.decode("latin-1"))
        for name, value in start.get("headers", ())
        if name in _STORED_HEADERS
    ]
    return orjson.dumps([start["status"], headers]) + b"\n" + body


def _restore_response(answer: bytes) -> Response:
    head, _, body = answer.partition(b"\n")
    status, headers = orjson.loads(head)
    return Response(body, status, {**dict(headers), "idempotent-replayed": "true"})
