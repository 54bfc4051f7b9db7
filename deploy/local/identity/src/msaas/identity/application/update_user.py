"""Changes the signed-in user's address, password or metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msaas.identity.application.authenticate import AuthenticatedSession
from msaas.identity.application.ports import Accounts, Passwords, UserChange
from msaas.identity.domain.errors import SamePassword
from msaas.identity.domain.users import User, check_password, normalise_email


@dataclass(frozen=True, slots=True)
class UpdateUser:
    accounts: Accounts
    passwords: Passwords

    async def __call__(
        self,
        authenticated: AuthenticatedSession,
        *,
        email: str | None,
        password: str | None,
        data: Mapping[str, Any],
    ) -> User:
        change = UserChange(
            email=normalise_email(email) if email else None,
            password_hash=await self._hash(authenticated, password) if password else None,
            user_metadata=data,
        )
        return await self.accounts.change(
            authenticated.user.id, change, keep_session=authenticated.session.id
        )

    async def _hash(self, authenticated: AuthenticatedSession, password: str) -> str:
        check_password(password)
        if await self.passwords.verify(authenticated.account.password_hash, password):
            raise SamePassword
        return await self.passwords.hash(password)
