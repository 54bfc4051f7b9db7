"""Changing one's own address, password or metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msaas.identity.application.authenticate import SignedIn
from msaas.identity.application.ports import Accounts, Change, Passwords
from msaas.identity.domain.errors import SamePassword
from msaas.identity.domain.users import User, check_password, normal_email


@dataclass(frozen=True, slots=True)
class UpdateUser:
    accounts: Accounts
    passwords: Passwords

    async def __call__(
        self, who: SignedIn, *, email: str | None, password: str | None, data: Mapping[str, Any]
    ) -> User:
        change = Change(
            email=normal_email(email) if email else None,
            password_hash=await self._hash(who, password) if password else None,
            user_metadata=data,
        )
        return await self.accounts.change(who.user.id, change, keep=who.session.id)

    async def _hash(self, who: SignedIn, password: str) -> str:
        check_password(password)
        if await self.passwords.verify(who.account.password_hash, password):
            raise SamePassword
        return await self.passwords.hash(password)
