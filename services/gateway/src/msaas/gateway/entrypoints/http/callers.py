"""The caller of a request, for the middleware around the routes."""

from msaas.auth import Authenticator, Unauthenticated, UserPrincipal
from msaas.gateway.application.request_rate_limiter import Caller
from msaas.web.asgi import Scope


class CallerResolver:
    """Returns None for a caller without a valid credential; the route refuses that request."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def require(self, scope: Scope) -> UserPrincipal:
        return (await self._authenticator.authenticate_scope(scope)).user

    async def find(self, scope: Scope) -> Caller | None:
        try:
            user = await self.require(scope)
        except Unauthenticated:
            return None
        return Caller(user.id, user.plan, user.api_key)
