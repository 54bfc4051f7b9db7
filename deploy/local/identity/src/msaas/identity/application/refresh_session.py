"""Exchanges a refresh token for its child and a new access token."""

from dataclasses import dataclass
from uuid import UUID

from msaas.identity.application.grants import SessionGrant, SessionGrants
from msaas.identity.application.ports import Accounts, Sessions
from msaas.identity.domain.errors import (
    RefreshTokenAlreadyUsed,
    RefreshTokenNotFound,
    UserBanned,
)
from msaas.identity.domain.sessions import RefreshDecision, hash_token
from msaas.identity.domain.users import User
from msaas.kernel import Clock
from msaas.telemetry import get_logger


@dataclass(frozen=True, slots=True)
class RefreshSession:
    accounts: Accounts
    sessions: Sessions
    grants: SessionGrants
    clock: Clock

    async def __call__(self, token: str) -> SessionGrant:
        presented = await self.sessions.find_by_refresh_token(hash_token(token))
        if presented is None:
            raise RefreshTokenNotFound
        session = presented.session
        user = await self._get_user(session.user_id)
        child = session.derive_child_token(token)
        match session.check_refresh(presented.generation):
            case RefreshDecision.ROTATE:
                if not await self.sessions.rotate(session, hash_token(child)):
                    return await self(token)  # a concurrent refresh was faster: decide again
            case RefreshDecision.REPEAT:
                pass
            case RefreshDecision.REVOKE:
                await self.sessions.revoke(session.id)
                get_logger().warning("refresh_token_reused", session_id=str(session.id))
                raise RefreshTokenAlreadyUsed
            case RefreshDecision.REFUSE:
                raise RefreshTokenAlreadyUsed
        return await self.grants.renew(user, session, child)

    async def _get_user(self, user_id: UUID) -> User:
        account = await self.accounts.find(user_id)
        if account is None:
            raise RefreshTokenNotFound
        if account.user.is_banned(self.clock.now()):
            raise UserBanned("Invalid Refresh Token: User Banned")
        return account.user
