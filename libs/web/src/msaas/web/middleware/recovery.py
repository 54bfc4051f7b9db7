"""Turns an unexpected error into a problem, and logs and counts it."""

from starlette.requests import ClientDisconnect

from msaas.kernel import ErrorKind, MsaasError
from msaas.telemetry import Metrics, get_logger
from msaas.web.asgi import ASGIApp, Message, Receive, Scope, Send, get_route_template
from msaas.web.problems import problem_for


class Recovery:
    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._log = get_logger()
        self._crashes = metrics.counter(
            "msaas_http_unhandled_errors_total", "Requests that crashed.", labels=("route",)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            return
        except (Exception, SystemExit) as error:  # noqa: BLE001 - an error must not end the process
            self._report(scope, error, started=started)
            if not started:
                await problem_for(error, scope)(scope, receive, send)
            # Otherwise the response stays incomplete and the server closes the connection, so that
            # the client sees the failure.

    def _report(self, scope: Scope, error: BaseException, *, started: bool) -> None:
        expected = isinstance(error, MsaasError) and error.kind is not ErrorKind.INTERNAL
        if expected and not started:
            return
        self._crashes.labels(route=get_route_template(scope)).inc()
        self._log.error("request_crashed", route=get_route_template(scope), exc_info=error)
