"""Who is asking: Supabase access tokens, checked against published keys, and their users."""

from msaas.web.auth.authenticator import (
    Authenticator,
    Identity,
    ApiKeyGrant,
    ApiKeyStore,
    PrincipalStore,
    UserPrincipal,
    current_user,
)
from msaas.web.auth.claims import TokenClaims
from msaas.web.auth.errors import JwksUnavailable, TokenExpired, Unauthenticated
from msaas.web.auth.verifier import TokenVerifier

__all__ = [
    "Authenticator",
    "Identity",
    "ApiKeyGrant",
    "ApiKeyStore",
    "JwksUnavailable",
    "PrincipalStore",
    "TokenClaims",
    "TokenExpired",
    "TokenVerifier",
    "Unauthenticated",
    "UserPrincipal",
    "current_user",
]
