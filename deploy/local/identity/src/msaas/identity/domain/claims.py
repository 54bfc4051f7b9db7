"""The claims of an access token."""

from datetime import datetime, timedelta
from typing import Any, Final

from msaas.identity.domain.sessions import Session
from msaas.identity.domain.users import User

TOKEN_LIFETIME: Final = timedelta(hours=1)
AUDIENCE: Final = "authenticated"
ROLE: Final = "authenticated"


def build_claims(user: User, session: Session, issuer: str, now: datetime) -> dict[str, Any]:
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
        "amr": [{"method": "password", "timestamp": signed_in_at}],
        "session_id": str(session.id),
        "is_anonymous": False,
    }
