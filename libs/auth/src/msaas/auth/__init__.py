"""Who is asking: Supabase access tokens, checked against published keys, and their users."""

from msaas.auth.authenticator import (
    ApiKeyGrant,
    ApiKeyStore,
    Authenticator,
    Identity,
    PrincipalStore,
    UserPrincipal,
    current_user,
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
    "TokenClaims",
    "TokenExpired",
    "TokenVerifier",
    "Unauthenticated",
    "UserPrincipal",
    "current_user",
]
