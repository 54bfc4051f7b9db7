"""Who a request is from, for the layers around the routes."""

from typing import Final

from msaas.gateway.application.admit_request import Caller
from msaas.web.asgi import Scope, find_header
from msaas.web.auth import Authenticator, Unauthenticated

_STATE: Final = "caller"


class Callers:
    """Asks once a request; whoever is not let in is nobody here, and is told so by the route."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def find(self, scope: Scope) -> Caller | None:
        state = scope.setdefault("state", {})
        if _STATE not in state:
            state[_STATE] = await self._ask(scope)
        return state[_STATE]

    async def _ask(self, scope: Scope) -> Caller | None:
        header = find_header(scope["headers"], b"authorization")
        if header is None:
            return None
        try:
            user = await self._authenticator.authenticate(header.decode("latin-1"))
        except Unauthenticated:
            return None
        scope["state"]["user_id"] = user.id  # for the log line of the request
        return Caller(user.id, user.plan)
