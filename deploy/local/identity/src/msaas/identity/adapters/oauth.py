"""The parts of OAuth and OpenID Connect that a library knows better."""

import hmac
from collections.abc import Callable
from typing import Any, Final, cast

from authlib.oauth2.rfc7636 import challenge

# The library has no types.
create_challenge: Final = cast("Callable[[str], str]", challenge.create_s256_code_challenge)


def verifier_matches(verifier: str, challenge_given: str) -> bool:
    if not challenge.CODE_VERIFIER_PATTERN.fullmatch(verifier):
        return False
    return hmac.compare_digest(create_challenge(verifier), challenge_given)


def build_discovery(issuer: str) -> dict[str, Any]:
    """Describe this server as OpenID Connect Discovery does."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/user",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "email"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "email"],
    }
