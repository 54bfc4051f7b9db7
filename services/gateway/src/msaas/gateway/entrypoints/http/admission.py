"""The middleware that refuses a request by its head alone."""

from typing import Final

from msaas.gateway.entrypoints.http.callers import CallerResolver
from msaas.gateway.entrypoints.http.route_rules import RouteRules, check_user
from msaas.web.asgi import ASGIApp, Message, Receive, Scope, Send

_BODY_HEADERS: Final = frozenset(
    {b"content-encoding", b"content-length", b"content-type", b"transfer-encoding"}
)


class AdmissionMiddleware:
    """Runs before the body is read and before responses are replayed.

    An unknown path or method is answered as a request without a body. The guard of the route
    checks once more, and its flag.
    """

    def __init__(self, app: ASGIApp, rules: RouteRules, callers: CallerResolver) -> None:
        self._app = app
        self._rules = rules
        self._callers = callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        found = self._rules.find_route(scope)
        if found is None:
            scope["headers"] = [
                header for header in scope["headers"] if header[0] not in _BODY_HEADERS
            ]
            await self._app(scope, _receive_nothing, send)
            return
        scope["route"], rule = found  # its name in logs and metrics, should the router not run
        if not rule.is_public:
            check_user(rule, await self._callers.require(scope))
        await self._app(scope, receive, send)


async def _receive_nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
