"""Making a user from the command line, the one place that sets a plan or a role."""

from dataclasses import dataclass
from typing import Any

from msaas.contracts import Plan
from msaas.identity.application.ports import Account, Accounts, Change, Passwords
from msaas.identity.domain.users import User, app_metadata, check_password, normal_email
from msaas.kernel import Clock, new_id


@dataclass(frozen=True, slots=True)
class SeedUser:
    """Safe to repeat: what is so already stays, sessions too."""

    accounts: Accounts
    passwords: Passwords
    clock: Clock

    async def __call__(
        self, email: str, password: str, *, plan: Plan | None, role: str | None
    ) -> User:
        address = normal_email(email)
        check_password(password)
        said = app_metadata(plan=plan, role=role)
        known = await self.accounts.find_by_email(address)
        return await (
            self._change(known, password, said) if known else self._add(address, password, said)
        )

    async def _add(self, email: str, password: str, said: dict[str, Any]) -> User:
        now = self.clock.now()
        user = User(
            id=new_id(),
            email=email,
            app_metadata=said,
            user_metadata={},
            created_at=now,
            updated_at=now,
        )
        await self.accounts.add(user, await self.passwords.hash(password))
        return user

    async def _change(self, known: Account, password: str, said: dict[str, Any]) -> User:
        same = await self.passwords.verify(known.password_hash, password)
        change = Change(
            password_hash=None if same else await self.passwords.hash(password),
            app_metadata=said,
        )
        return await self.accounts.change(known.user.id, change)
