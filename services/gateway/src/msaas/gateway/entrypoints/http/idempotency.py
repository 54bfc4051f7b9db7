"""The middleware that executes a request with an Idempotency-Key once and replays its response."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from fastapi import Request
from starlette.responses import Response

from msaas.cache import IdempotencyClaim
from msaas.gateway.application.errors import IdempotencyKeyRequired
from msaas.gateway.application.idempotent_requests import IdempotentRequests
from msaas.gateway.domain.idempotency import ReplayPolicy, changes_state, is_valid_key
from msaas.gateway.entrypoints.http.callers import CallerResolver
from msaas.gateway.entrypoints.http.route_rules import RouteRule, RouteRules
from msaas.telemetry import Metrics
from msaas.web import get_body, problem_for, problem_response
from msaas.web.asgi import ASGIApp, Message, Receive, Scope, Send, find_header, is_json

HEADER: Final = b"idempotency-key"
_STATE_KEY: Final = "replay_policy"
# The stored headers; all others belong to the request that is answered.
_STORED_HEADERS: Final = (b"content-type", b"etag", b"location")
_INVALID_KEY_ERROR: Final[Mapping[str, str]] = {
    "in": "header",
    "pointer": "/Idempotency-Key",
    "code": "idempotency_key",
    "detail": "An Idempotency-Key is 1 to 255 visible ASCII characters",
}


def set_replay_policy(request: Request, policy: ReplayPolicy) -> None:
    """Override the policy of the route for this request."""
    request.scope["state"][_STATE_KEY] = policy


class IdempotencyMiddleware:
    """Runs behind `BodyValidation`, so that the body is known and valid."""

    def __init__(
        self,
        app: ASGIApp,
        rules: RouteRules,
        idempotent_requests: IdempotentRequests,
        callers: CallerResolver,
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._rules = rules
        self._idempotent_requests = idempotent_requests
        self._callers = callers
        self._replays = metrics.counter(
            "msaas_idempotent_replays_total", "Requests answered with a stored response."
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = await self._select_app(scope) if scope["type"] == "http" else self._app
        await app(scope, receive, send)

    async def _select_app(self, scope: Scope) -> ASGIApp:
        rule = self._rules.find(scope) if changes_state(scope["method"]) else None
        if rule is None or rule.is_public or not (caller := await self._callers.find(scope)):
            return self._app
        header = find_header(scope["headers"], HEADER)
        if header is None:
            required = rule.requires_idempotency_key
            return problem_for(IdempotencyKeyRequired(), scope) if required else self._app
        key = header.decode("latin-1")
        if not is_valid_key(key):
            return problem_response(scope, "validation_failed", errors=[_INVALID_KEY_ERROR])
        started = await self._idempotent_requests.begin(
            caller.user_id, key, _describe_request(scope)
        )
        if isinstance(started, bytes):
            self._replays.inc()
            return _restore_response(started)
        return self._with_claim(started, rule)

    def _with_claim(self, claim: IdempotencyClaim, rule: RouteRule) -> ASGIApp:
        """Complete the claim before the response is sent: the client may repeat at once."""

        async def execute(scope: Scope, receive: Receive, send: Send) -> None:
            start: Message = {}
            chunks: list[bytes] = []

            async def finish(message: Message) -> None:
                nonlocal start
                if message["type"] == "http.response.start":
                    start = message
                    return
                chunks.append(message.get("body", b""))
                if message.get("more_body"):
                    return
                body = b"".join(chunks)
                policy = scope["state"].get(_STATE_KEY, rule.replay)
                await self._idempotent_requests.finish(
                    claim, start["status"], _serialize_response(start, body), policy
                )
                await send(start)
                await send({"type": "http.response.body", "body": body})

            await self._app(scope, receive, finish)

        return execute


def _describe_request(scope: Scope) -> Mapping[str, Any]:
    """Describe JSON by its content: a client may format the same request differently."""
    body = get_body(scope)
    return {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode("latin-1"),
        "body": body.json if body.raw and is_json(scope) else body.raw.hex(),
    }


def _serialize_response(start: Message, body: bytes) -> bytes:
    headers = [
        (name.decode(), value.decode("latin-1"))
        for name, value in start.get("headers", ())
        if name in _STORED_HEADERS
    ]
    return orjson.dumps([start["status"], headers]) + b"\n" + body


def _restore_response(response: bytes) -> Response:
    head, _, body = response.partition(b"\n")
    status, headers = orjson.loads(head)
    return Response(body, status, {**dict(headers), "idempotent-replayed": "true"})
