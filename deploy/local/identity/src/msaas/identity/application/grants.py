"""The response to a sign-in: an access token, a refresh token and the user."""

import secrets
from dataclasses import dataclass, field

from msaas.identity.application.ports import Sessions, Tokens
from msaas.identity.domain.claims import build_claims
from msaas.identity.domain.sessions import Session, hash_token
from msaas.identity.domain.users import User
from msaas.kernel import Clock, new_id
from msaas.telemetry import get_logger


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionGrant:
    user: User
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: int


@dataclass(frozen=True, slots=True)
class SessionGrants:
    sessions: Sessions
    tokens: Tokens
    issuer: str
    clock: Clock

    async def open(self, user: User) -> SessionGrant:
        """Begin a session with the first token of its family."""
        session = Session(
            id=new_id(),
            user_id=user.id,
            secret=secrets.token_bytes(32),
            created_at=self.clock.now(),
        )
        token = secrets.token_urlsafe(32)
        await self.sessions.open(session, hash_token(token))
        get_logger().info("session_opened", user_id=str(user.id), session_id=str(session.id))
        return await self.renew(user, session, token)

    async def renew(self, user: User, session: Session, refresh_token: str) -> SessionGrant:
        claims = build_claims(user, session, self.issuer, self.clock.now())
        return SessionGrant(
            user=user,
            access_token=await self.tokens.sign(claims),
            refresh_token=refresh_token,
            expires_at=claims["exp"],
        )
