"""The middleware that counts requests and refuses those beyond their limit."""

from msaas.cache import RateLimitDecision
from msaas.gateway.application.errors import RateLimited
from msaas.gateway.application.request_rate_limiter import RequestRateLimiter
from msaas.gateway.domain.rate_limit_rules import API_PREFIX, RateLimitCategory
from msaas.gateway.entrypoints.http.callers import CallerResolver
from msaas.gateway.entrypoints.http.route_rules import RouteRules
from msaas.kernel import ErrorKind, MsaasError
from msaas.telemetry import Metrics
from msaas.web import ClientAddressResolver, problem_for
from msaas.web.asgi import ASGIApp, Message, Receive, Scope, Send


class RateLimitMiddleware:
    """Runs before the body is read, so that a refused request costs little."""

    def __init__(
        self,
        app: ASGIApp,
        rules: RouteRules,
        limiter: RequestRateLimiter,
        callers: CallerResolver,
        addresses: ClientAddressResolver,
        *,
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._rules = rules
        self._limiter = limiter
        self._callers = callers
        self._addresses = addresses
        self._limited = metrics.counter(
            "msaas_rate_limited_total", "Requests beyond their limit.", ("category",)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        category = self._find_category(scope) if scope["type"] == "http" else None
        if category is None:
            await self._app(scope, receive, send)
            return
        caller = await self._callers.find(scope)
        decision = await self._limiter(category, caller, self._addresses.resolve(scope))
        if decision is None:
            await self._app(scope, receive, send)
            return
        app: ASGIApp = self._app
        if not decision.allowed:
            self._limited.labels(category).inc()
            if self._limiter.enforced:
                app = problem_for(RateLimited(retry_after=decision.retry_after), scope)
        counted = _with_headers(send, decision)
        try:
            await app(scope, receive, counted)
        except MsaasError as error:  # of the middleware behind; the framework answers endpoints'
            if error.kind is ErrorKind.INTERNAL:
                raise
            await problem_for(error, scope)(scope, receive, counted)

    def _find_category(self, scope: Scope) -> RateLimitCategory | None:
        if rule := self._rules.find(scope):
            return rule.rate_limit
        is_api: bool = scope["path"].startswith(API_PREFIX)
        return RateLimitCategory.STANDARD if is_api else None


def _with_headers(send: Send, decision: RateLimitDecision) -> Send:
    limit = decision.limit
    headers = [
        (b"ratelimit-policy", b"%d;w=%d" % (limit.max_requests, limit.seconds)),
        (b"ratelimit-limit", b"%d" % limit.max_requests),
        (b"ratelimit-remaining", b"%d" % decision.remaining),
        (b"ratelimit-reset", b"%d" % decision.reset_after),
    ]

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return add
