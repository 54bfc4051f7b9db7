"""The layer that counts requests, tells what is left, and refuses what is too many."""

from msaas.cache import Verdict
from msaas.gateway.application.admit_request import RequestAdmission
from msaas.gateway.application.errors import RateLimited
from msaas.gateway.domain.rate_rules import find_category
from msaas.gateway.entrypoints.http.callers import Callers
from msaas.telemetry import Metrics
from msaas.web import ClientAddresses, problem_for
from msaas.web.asgi import ASGIApp, Message, Receive, Scope, Send


class RateLimits:
    """Stands before the body is read: who is refused sends us nothing more to look at."""

    def __init__(
        self,
        app: ASGIApp,
        admit: RequestAdmission,
        callers: Callers,
        addresses: ClientAddresses,
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._admit = admit
        self._callers = callers
        self._addresses = addresses
        self._limited = metrics.counter(
            "msaas_rate_limited_total", "Requests beyond their limit.", ("category",)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_http = scope["type"] == "http"
        category = find_category(scope["method"], scope["path"]) if is_http else None
        if category is None:
            await self._app(scope, receive, send)
            return
        caller = await self._callers.find(scope)
        verdict = await self._admit(category, caller, self._addresses.find(scope))
        if verdict is None:
            await self._app(scope, receive, send)
            return
        app: ASGIApp = self._app
        if not verdict.admitted:
            self._limited.labels(category).inc()
            if self._admit.enforced:
                app = problem_for(RateLimited(retry_after=verdict.retry_after), scope)
        await app(scope, receive, _stamp(send, verdict))


def _stamp(send: Send, verdict: Verdict) -> Send:
    limit = verdict.limit
    stamps = [
        (b"ratelimit-policy", b"%d;w=%d" % (limit.most, limit.seconds)),
        (b"ratelimit-limit", b"%d" % limit.most),
        (b"ratelimit-remaining", b"%d" % verdict.remaining),
        (b"ratelimit-reset", b"%d" % verdict.full_in),
    ]

    async def stamp(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *stamps]
        await send(message)

    return stamp
