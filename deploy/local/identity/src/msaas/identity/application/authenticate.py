"""Identifies the user of an access token whose session has not ended."""

from dataclasses import dataclass
from uuid import UUID

from msaas.identity.application.ports import Accounts, Sessions, Tokens, UserAccount
from msaas.identity.domain.errors import SessionNotFound, UserBanned
from msaas.identity.domain.sessions import Session
from msaas.identity.domain.users import User
from msaas.kernel import Clock


@dataclass(frozen=True, slots=True)
class AuthenticatedSession:
    account: UserAccount
    session: Session

    @property
    def user(self) -> User:
        return self.account.user


@dataclass(frozen=True, slots=True)
class Authenticate:
    accounts: Accounts
    sessions: Sessions
    tokens: Tokens
    clock: Clock

    async def __call__(self, token: str) -> AuthenticatedSession:
        claims = await self.tokens.verify(token)
        session = await self.sessions.find(UUID(claims["session_id"]))
        if session is None or session.revoked:
            raise SessionNotFound
        account = await self.accounts.find(session.user_id)
        if account is None:
            raise SessionNotFound
        if account.user.is_banned(self.clock.now()):
            raise UserBanned
        return AuthenticatedSession(account, session)
