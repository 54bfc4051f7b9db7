"""Signs in with a password; the time taken does not reveal whether an address is known."""

from dataclasses import dataclass, replace

from msaas.identity.application.grants import SessionGrant, SessionGrants
from msaas.identity.application.ports import Accounts, Passwords
from msaas.identity.domain.errors import InvalidCredentials, UserBanned
from msaas.kernel import Clock


@dataclass(frozen=True, slots=True)
class SignIn:
    accounts: Accounts
    passwords: Passwords
    grants: SessionGrants
    clock: Clock

    async def __call__(self, email: str, password: str) -> SessionGrant:
        account = await self.accounts.find_by_email(email.strip().lower())
        stored = account.password_hash if account else None
        if not await self.passwords.verify(stored, password) or account is None:
            raise InvalidCredentials
        now = self.clock.now()
        # A ban is reported only after the password was verified.
        if account.user.is_banned(now):
            raise UserBanned
        return await self.grants.open(replace(account.user, last_sign_in_at=now))
