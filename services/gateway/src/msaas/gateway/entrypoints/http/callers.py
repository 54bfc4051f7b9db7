"""Who a request is from, for the layers around the routes."""

from msaas.auth import Authenticator, Unauthenticated
from msaas.gateway.application.request_rate_limiter import Caller
from msaas.web.asgi import Scope


class CallerResolver:
    """Whoever is not let in is nobody here, and is told so by the route."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def find(self, scope: Scope) -> Caller | None:
        try:
            user = (await self._authenticator.authenticate_scope(scope)).user
        except Unauthenticated:
            return None
        return Caller(user.id, user.plan, user.api_key)
