"""A session and its refresh tokens: one is active, its parent may be repeated, older ones not.

Each token is derived from its parent. A client that presents the parent again receives the active
token again, although only digests are stored.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msaas.identity.domain.users import User

TOKEN_LIFETIME: Final = timedelta(hours=1)
AUDIENCE: Final = "authenticated"
ROLE: Final = "authenticated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """`generation` is the number of rotations, and so the number of the active token."""

    id: UUID
    user_id: UUID
    secret: bytes = field(repr=False)
    created_at: datetime
    method: str = "password"
    generation: int = 0
    revoked: bool = False

    def derive_child_token(self, token: str) -> str:
        derived = hmac.digest(self.secret, token.encode(), "sha256")
        return urlsafe_b64encode(derived).rstrip(b"=").decode()


def hash_token(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def build_claims(user: User, session: Session, issuer: str, now: datetime) -> dict[str, Any]:
    """Return the claims of an access token."""
    issued_at = int(now.timestamp())
    signed_in_at = int(session.created_at.timestamp())
    return {
        "iss": issuer,
        "sub": str(user.id),
        "aud": AUDIENCE,
        "exp": issued_at + int(TOKEN_LIFETIME.total_seconds()),
        "iat": issued_at,
        "email": user.email,
        "phone": "",
        "app_metadata": dict(user.app_metadata),
        "user_metadata": dict(user.user_metadata),
        "role": ROLE,
        "aal": "aal1",
        "amr": [{"method": session.method, "timestamp": signed_in_at}],
        "session_id": str(session.id),
        "is_anonymous": False,
    }
