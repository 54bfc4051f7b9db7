"""The layer that counts requests, tells what is left, and refuses what is too many."""

from msaas.cache import RateLimitDecision
from msaas.gateway.application.errors import RateLimited
from msaas.gateway.application.request_rate_limiter import RequestRateLimiter
from msaas.gateway.domain.rate_limit_rules import find_category
from msaas.gateway.entrypoints.http.callers import CallerResolver
from msaas.telemetry import Metrics
from msaas.web import ClientAddressResolver, problem_for
from msaas.web.asgi import ASGIApp, Message, Receive, Scope, Send


class RateLimitMiddleware:
    """Stands before the body is read: who is refused sends us nothing more to look at."""

    def __init__(
        self,
        app: ASGIApp,
        limiter: RequestRateLimiter,
        callers: CallerResolver,
        addresses: ClientAddressResolver,
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._limiter = limiter
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
        verdict = await self._limiter(category, caller, self._addresses.resolve(scope))
        if verdict is None:
            await self._app(scope, receive, send)
            return
        app: ASGIApp = self._app
        if not verdict.allowed:
            self._limited.labels(category).inc()
            if self._limiter.enforced:
                app = problem_for(RateLimited(retry_after=verdict.retry_after), scope)
        await app(scope, receive, _with_headers(send, verdict))


def _with_headers(send: Send, verdict: RateLimitDecision) -> Send:
    limit = verdict.limit
    stamps = [
        (b"ratelimit-policy", b"%d;w=%d" % (limit.max_requests, limit.seconds)),
        (b"ratelimit-limit", b"%d" % limit.max_requests),
        (b"ratelimit-remaining", b"%d" % verdict.remaining),
        (b"ratelimit-reset", b"%d" % verdict.reset_after),
    ]

    async def stamp(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *stamps]
        await send(message)

    return stamp
