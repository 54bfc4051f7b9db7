"""Finds the user of a request by its Authorization header."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
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
OPERATOR: Final = "operator"
_SCOPE_KEY: Final = "identity"


@dataclass(frozen=True, slots=True)
class ApiKeyGrant:
    """The API key of a request: its scopes, and its own rate limit if it has one."""

    id: UUID
    scopes: frozenset[str]
    requests_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class UserPrincipal:
    """The user as stored in the database, which overrides the claims of the token.

    `api_key` is None for a session, which may do everything that its user may do. Sessions that
    began until `sessions_ended_at` are refused.
    """

    id: UUID
    email: str | None
    plan: str
    stripe_customer_id: str | None
    role: str
    api_key: ApiKeyGrant | None = None
    sessions_ended_at: float | None = None


class Identity(NamedTuple):
    """The user of a credential, and when the credential expires."""

    user: UserPrincipal
    expires_at: float


class PrincipalStore(Protocol):
    async def get_principal(self, claims: TokenClaims) -> UserPrincipal:
        """Return the user, created at first sight; raise Unauthenticated if erased or banned."""
        ...


class ApiKeyStore(Protocol):
    """Verifies API keys, which a client may send instead of a token."""

    def is_api_key(self, credential: str) -> bool:
        """Return whether a credential has the format of an API key."""
        ...

    async def get_principal(
        self, key: str, address: str | None = None
    ) -> tuple[UserPrincipal, float]:
        """Return the owner of the key and when the key expires, or raise Unauthenticated.

        `address` is the client's, for counting keys that are made up.
        """
        ...


class _CachedPrincipal(NamedTuple):
    principal: UserPrincipal
    expires_at: float


class Authenticator:
    """Caches users for a few seconds, so that the store is not read for each request."""

    def __init__(
        self,
        verifier: TokenVerifier,
        store: PrincipalStore,
        *,
        clock: Clock | None = None,
        api_keys: ApiKeyStore | None = None,
        find_address: Callable[[Scope], str] | None = None,
    ) -> None:
        self._verifier = verifier
        self._api_keys = api_keys
        self._find_address = find_address
        self._store = store
        self._clock = clock or SystemClock()
        self._principals: OrderedDict[UUID, _CachedPrincipal] = OrderedDict()
        self._invalidations = 0

    async def authenticate(self, authorization: str | None, address: str | None = None) -> Identity:
        credential = _bearer(authorization)
        if self._api_keys is not None and self._api_keys.is_api_key(credential):
            return Identity(*await self._api_keys.get_principal(credential, address))
        claims = await self._verifier.verify(credential)
        cached = self._principals.get(claims.subject)
        if cached is not None and self._clock.monotonic() < cached.expires_at:
            principal = cached.principal
        else:
            principal = await self._load_principal(claims)
        return Identity(_apply_claims(principal, claims), claims.expires_at)

    async def authenticate_scope(self, scope: Scope) -> Identity:
        """Verify the credential of a request once, however many callers need it."""
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
        """Read the store again: the user has changed."""
        self._principals.pop(user_id, None)
        self._invalidations += 1

    async def _authenticate_scope(self, scope: Scope) -> Identity | Unauthenticated:
        header = find_header(scope["headers"], b"authorization")
        try:
            address = self._find_address(scope) if self._find_address else None
            identity = await self.authenticate(
                header.decode("latin-1") if header else None, address
            )
        except Unauthenticated as error:
            return error
        # The access log reads it.
        scope.setdefault("state", {})["user_id"] = identity.user.id
        return identity

    async def _load_principal(self, claims: TokenClaims) -> UserPrincipal:
        before = self._invalidations
        principal = await self._store.get_principal(claims)
        if self._invalidations == before:  # otherwise this may be the old row
            expires_at = self._clock.monotonic() + PRINCIPAL_TTL_SECONDS
            self._principals[claims.subject] = _CachedPrincipal(principal, expires_at)
            self._principals.move_to_end(claims.subject)
            if len(self._principals) > MAX_CACHED_ENTRIES:
                self._principals.popitem(last=False)
        return principal


class RequireUser(SecurityBase):
    """For `Depends`: the user of this request, or a 401; OpenAPI shows the bearer scheme."""

    model = HTTPBearer(bearerFormat="JWT")
    scheme_name = "accessToken"

    def __init__(self, get_authenticator: Callable[[Scope], Authenticator]) -> None:
        self._get_authenticator = get_authenticator

    async def __call__(self, request: Request) -> UserPrincipal:
        authenticator = self._get_authenticator(request.scope)
        return (await authenticator.authenticate_scope(request.scope)).user


def _apply_claims(stored: UserPrincipal, claims: TokenClaims) -> UserPrincipal:
    """Refuse a session that was ended; an operator is one by the row and by the token."""
    ended_at = stored.sessions_ended_at
    if ended_at is not None and claims.signed_in_at <= ended_at:
        raise Unauthenticated
    if stored.role == OPERATOR and claims.app_role != OPERATOR:
        return replace(stored, role="user")
    return stored


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    return token
