"""From the Authorization header to the user that the request is for."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from fastapi import Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from msaas.auth.claims import TokenClaims
from msaas.auth.errors import Unauthenticated
from msaas.auth.verifier import TokenVerifier
from msaas.kernel import Clock, SystemClock
from msaas.web.asgi import Scope, find_header

PRINCIPAL_TTL_SECONDS: Final = 5.0
MAX_CACHED_ENTRIES: Final = 10_000
_SCOPE_KEY: Final = "checked_user"


@dataclass(frozen=True, slots=True)
class ApiKeyGrant:
    """The API key that a request came with, what it may do, and how often if that is its own."""

    id: UUID
    scopes: frozenset[str]
    requests_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class UserPrincipal:
    """The user as our own row has it, which wins over what the token claims.

    `key` is None for a session, which may do all that its user may.
    """

    id: UUID
    email: str | None
    plan: str
    stripe_customer_id: str | None
    role: str
    api_key: ApiKeyGrant | None = None


class Identity(NamedTuple):
    """Whom a credential is for, and its end: for connections that outlive a request."""

    user: UserPrincipal
    expires_at: float


class PrincipalStore(Protocol):
    async def get_principal(self, claims: TokenClaims) -> UserPrincipal:
        """Answer the user's row, made on first sight; Unauthenticated if erased or banned."""
        ...


class ApiKeyStore(Protocol):
    """Knows API keys, which come in the place of a token."""

    def is_api_key(self, credential: str) -> bool:
        """Tell by its look alone whether it is meant as a key."""
        ...

    async def get_principal(self, key: str) -> tuple[UserPrincipal, float]:
        """Answer whose key it is and until when it may be relied on, or Unauthenticated."""
        ...


class _CachedPrincipal(NamedTuple):
    principal: UserPrincipal
    expires_at: float


class Authenticator:
    """Asks the store about a user every few seconds rather than for each request."""

    def __init__(
        self,
        verifier: TokenVerifier,
        store: PrincipalStore,
        *,
        clock: Clock | None = None,
        api_keys: ApiKeyStore | None = None,
    ) -> None:
        self._verifier = verifier
        self._api_keys = api_keys
        self._store = store
        self._clock = clock or SystemClock()
        self._principals: OrderedDict[UUID, _CachedPrincipal] = OrderedDict()
        self._invalidations = 0

    async def authenticate(self, authorization: str | None) -> Identity:
        credential = _bearer(authorization)
        if self._api_keys is not None and self._api_keys.is_api_key(credential):
            return Identity(*await self._api_keys.get_principal(credential))
        claims = await self._verifier.verify(credential)
        cached = self._principals.get(claims.subject)
        if cached is not None and self._clock.monotonic() < cached.expires_at:
            return Identity(cached.principal, claims.expires_at)
        return Identity(await self._load_principal(claims), claims.expires_at)

    async def authenticate_scope(self, scope: Scope) -> Identity:
        """Check a request's credential once, however many ask."""
        if _SCOPE_KEY not in scope:
            scope[_SCOPE_KEY] = await self._authenticate_scope(scope)
        identity: Identity | Unauthenticated = scope[_SCOPE_KEY]
        if isinstance(identity, Unauthenticated):
            raise identity
        return identity

    def has_api_key(self, authorization: str | None) -> bool:
        _, _, credential = (authorization or "").partition(" ")
        return self._api_keys is not None and self._api_keys.is_api_key(credential)

    def invalidate(self, user_id: UUID) -> None:
        """Ask the store again: the user's row has changed."""
        self._principals.pop(user_id, None)
        self._invalidations += 1

    async def _authenticate_scope(self, scope: Scope) -> Identity | Unauthenticated:
        header = find_header(scope["headers"], b"authorization")
        try:
            identity = await self.authenticate(None if header is None else header.decode("latin-1"))
        except Unauthenticated as refused:
            return refused
        # For the log line of the request.
        scope.setdefault("state", {})["user_id"] = identity.user.id
        return identity

    async def _load_principal(self, claims: TokenClaims) -> UserPrincipal:
        before = self._invalidations
        principal = await self._store.get_principal(claims)
        if self._invalidations == before:  # else the row may have been read before it changed
            expires_at = self._clock.monotonic() + PRINCIPAL_TTL_SECONDS
            self._principals[claims.subject] = _CachedPrincipal(principal, expires_at)
            self._principals.move_to_end(claims.subject)
            if len(self._principals) > MAX_CACHED_ENTRIES:
                self._principals.popitem(last=False)
        return principal


class CurrentUser(SecurityBase):
    """For `Depends`: the user of this request, or a 401; OpenAPI shows the bearer scheme."""

    model = HTTPBearer(bearerFormat="JWT")
    scheme_name = "accessToken"

    async def __call__(self, request: Request) -> UserPrincipal:
        authenticator: Authenticator = request.state.authenticator
        return (await authenticator.authenticate_scope(request.scope)).user


current_user: Final = CurrentUser()


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    return token
