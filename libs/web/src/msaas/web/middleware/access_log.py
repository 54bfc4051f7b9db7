"""Measures and logs every request under the template of its route."""

from time import perf_counter
from typing import Final

from msaas.telemetry import Metrics, get_logger
from msaas.web.asgi import (
    ASGIApp,
    Message,
    Receive,
    Scope,
    Send,
    get_route_template,
    is_event_stream,
)

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CLIENT_CLOSED_REQUEST: Final = 499  # the client disconnected before the response


class AccessLog:
    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._log = get_logger()
        self._duration = metrics.histogram(
            "http_server_request_duration_seconds",
            "Time to the end of the response; for an event stream, to its start.",
            labels=("method", "route", "status"),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = _CLIENT_CLOSED_REQUEST
        streaming = False

        async def watch(message: Message) -> None:
            nonlocal status, streaming
            if message["type"] == "http.response.start":
                status = message["status"]
                streaming = is_event_stream(message)
                if streaming:
                    self._measure(scope, status, perf_counter() - started)
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            seconds = perf_counter() - started
            if not streaming:
                self._measure(scope, status, seconds)
            self._log.info(
                "request_served",
                method=scope["method"],
                route=get_route_template(scope),
                status=status,
                duration_ms=round(seconds * 1000, 2),
                **_user_fields(scope),
            )

    def _measure(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        labels = {"method": method, "route": get_route_template(scope), "status": str(status)}
        self._duration.labels(**labels).observe(seconds)


def _user_fields(scope: Scope) -> dict[str, str]:
    user_id = scope.get("state", {}).get("user_id")
    return {} if user_id is None else {"user_id": str(user_id)}
