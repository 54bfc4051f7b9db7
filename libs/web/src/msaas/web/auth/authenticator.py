"""From the Authorization header to the user that the request is for."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from fastapi import Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from msaas.kernel import Clock, SystemClock
from msaas.web.auth.claims import TokenClaims
from msaas.web.auth.errors import Unauthenticated
from msaas.web.auth.verifier import TokenVerifier

REMEMBERED_SECONDS: Final = 5.0
MOST_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class UserPrincipal:
    """The user as our own row has it, which wins over what the token claims."""

    id: UUID
    email: str | None
    plan: str
    stripe_customer_id: str | None
    role: str


class PrincipalStore(Protocol):
    async def get_principal(self, claims: TokenClaims) -> UserPrincipal:
        """Answer the user's row, made on first sight; Unauthenticated if erased or banned."""
        ...


class _Known(NamedTuple):
    principal: UserPrincipal
    until: float


class Authenticator:
    """Asks the store about a user every few seconds rather than for each request."""

    def __init__(
        self, verifier: TokenVerifier, store: PrincipalStore, *, clock: Clock | None = None
    ) -> None:
        self._verifier = verifier
        self._store = store
        self._clock = clock or SystemClock()
        self._known: OrderedDict[UUID, _Known] = OrderedDict()
        self._invalidations = 0

    async def authenticate(self, authorization: str | None) -> UserPrincipal:
        principal, _ = await self.authenticate_with_expiry(authorization)
        return principal

    async def authenticate_with_expiry(
        self, authorization: str | None
    ) -> tuple[UserPrincipal, int]:
        """Answer with the token's end too, for connections that outlive a request."""
        claims = await self._verifier.verify(_bearer(authorization))
        known = self._known.get(claims.subject)
        if known is not None and self._clock.monotonic() < known.until:
            return known.principal, claims.expires_at
        return await self._ask(claims), claims.expires_at

    def invalidate(self, user_id: UUID) -> None:
        """Ask the store again: the user's row has changed."""
        self._known.pop(user_id, None)
        self._invalidations += 1

    async def _ask(self, claims: TokenClaims) -> UserPrincipal:
        before = self._invalidations
        principal = await self._store.get_principal(claims)
        if self._invalidations == before:  # else the row may have been read before it changed
            until = self._clock.monotonic() + REMEMBERED_SECONDS
            self._known[claims.subject] = _Known(principal, until)
            self._known.move_to_end(claims.subject)
            if len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        return principal


class CurrentUser(SecurityBase):
    """For `Depends`: the user of this request, or a 401; OpenAPI shows the bearer scheme."""

    model = HTTPBearer(bearerFormat="JWT")
    scheme_name = "accessToken"

    async def __call__(self, request: Request) -> UserPrincipal:
        authenticator: Authenticator = request.state.authenticator
        user = await authenticator.authenticate(request.headers.get("authorization"))
        request.state.user_id = user.id  # for the log line of the request
        return user


current_user: Final = CurrentUser()


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    return token
