"""Trading a refresh token for its child and a new access token."""

from dataclasses import dataclass
from uuid import UUID

from msaas.identity.application.grants import Grant, Grants
from msaas.identity.application.ports import Accounts, Sessions
from msaas.identity.domain.errors import (
    RefreshTokenAlreadyUsed,
    RefreshTokenNotFound,
    UserBanned,
)
from msaas.identity.domain.sessions import Verdict, digest_of
from msaas.identity.domain.users import User
from msaas.kernel import Clock
from msaas.telemetry import get_logger


@dataclass(frozen=True, slots=True)
class RefreshSession:
    accounts: Accounts
    sessions: Sessions
    grants: Grants
    clock: Clock

    async def __call__(self, token: str) -> Grant:
        presented = await self.sessions.find_presented(digest_of(token))
        if presented is None:
            raise RefreshTokenNotFound
        session = presented.session
        user = await self._get_user(session.user_id)
        child = session.child_of(token)
        match session.judge(presented.generation):
            case Verdict.ROTATE:
                if not await self.sessions.rotate(session, digest_of(child)):
                    return await self(token)  # somebody was faster: judge what is so now
            case Verdict.REPEAT:
                pass
            case Verdict.REVOKE:
                await self.sessions.revoke(session.id)
                get_logger().warning("refresh_token_reused", session_id=str(session.id))
                raise RefreshTokenAlreadyUsed
            case Verdict.REFUSE:
                raise RefreshTokenAlreadyUsed
        return await self.grants.renew(user, session, child)

    async def _get_user(self, user_id: UUID) -> User:
        account = await self.accounts.find(user_id)
        if account is None:
            raise RefreshTokenNotFound
        if account.user.is_banned(self.clock.now()):
            raise UserBanned("Invalid Refresh Token: User Banned")
        return account.user
