"""Who a request is from, for the layers around the routes."""

from msaas.gateway.application.admit_request import Caller
from msaas.web.asgi import Scope
from msaas.web.auth import Authenticator, Unauthenticated


class Callers:
    """Whoever is not let in is nobody here, and is told so by the route."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def find(self, scope: Scope) -> Caller | None:
        try:
            user = (await self._authenticator.identify(scope)).user
        except Unauthenticated:
            return None
        return Caller(user.id, user.plan, user.key)
