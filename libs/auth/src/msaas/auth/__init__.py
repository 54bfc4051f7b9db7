"""Authentication: verifies Supabase access tokens and API keys, and finds their users."""

from msaas.auth.authenticator import (
    ApiKeyGrant,
    ApiKeyStore,
    Authenticator,
    Identity,
    PrincipalStore,
    RequireUser,
    UserPrincipal,
)
from msaas.auth.claims import TokenClaims
from msaas.auth.errors import JwksUnavailable, TokenExpired, Unauthenticated
from msaas.auth.verifier import TokenVerifier

__all__ = [
    "ApiKeyGrant",
    "ApiKeyStore",
    "Authenticator",
    "Identity",
    "JwksUnavailable",
    "PrincipalStore",
    "RequireUser",
    "TokenClaims",
    "TokenExpired",
    "TokenVerifier",
    "Unauthenticated",
    "UserPrincipal",
]
