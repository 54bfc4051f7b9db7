"""Creates or changes a user from the command line; only this sets a plan or a role."""

from dataclasses import dataclass
from typing import Any

from msaas.contracts import Plan
from msaas.identity.application.ports import Accounts, Passwords, UserAccount, UserChange
from msaas.identity.domain.users import User, build_app_metadata, check_password, normalise_email
from msaas.kernel import Clock, new_id


@dataclass(frozen=True, slots=True)
class SeedUser:
    """Safe to repeat: an unchanged password keeps its sessions."""

    accounts: Accounts
    passwords: Passwords
    clock: Clock

    async def __call__(
        self, email: str, password: str, *, plan: Plan | None, role: str | None
    ) -> User:
        address = normalise_email(email)
        check_password(password)
        metadata = build_app_metadata(plan=plan, role=role)
        known = await self.accounts.find_by_email(address)
        return await (
            self._change(known, password, metadata)
            if known
            else self._add(address, password, metadata)
        )

    async def _add(self, email: str, password: str, metadata: dict[str, Any]) -> User:
        now = self.clock.now()
        user = User(
            id=new_id(),
            email=email,
            app_metadata=metadata,
            user_metadata={},
            created_at=now,
            updated_at=now,
        )
        await self.accounts.add(user, await self.passwords.hash(password))
        return user

    async def _change(self, known: UserAccount, password: str, metadata: dict[str, Any]) -> User:
        same = await self.passwords.verify(known.password_hash, password)
        change = UserChange(
            password_hash=None if same else await self.passwords.hash(password),
            app_metadata=metadata,
        )
        return await self.accounts.change(known.user.id, change)
