"""Who is asking: Supabase access tokens, checked against published keys, and their users."""

from msaas.web.auth.authenticator import (
    Authenticator,
    Identity,
    KeyGrant,
    KeyHolders,
    PrincipalStore,
    UserPrincipal,
    current_user,
)
from msaas.web.auth.claims import TokenClaims
from msaas.web.auth.errors import KeysUnavailable, TokenExpired, Unauthenticated
from msaas.web.auth.verifier import TokenVerifier

__all__ = [
    "Authenticator",
    "Identity",
    "KeyGrant",
    "KeyHolders",
    "KeysUnavailable",
    "PrincipalStore",
    "TokenClaims",
    "TokenExpired",
    "TokenVerifier",
    "Unauthenticated",
    "UserPrincipal",
    "current_user",
]
