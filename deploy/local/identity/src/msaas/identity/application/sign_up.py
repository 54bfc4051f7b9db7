"""Creates a user, confirmed at once and signed in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from msaas.identity.application.grants import SessionGrant, SessionGrants
from msaas.identity.application.ports import Accounts, Passwords
from msaas.identity.domain.users import User, build_app_metadata, check_password, normalise_email
from msaas.kernel import Clock, new_id
from msaas.telemetry import get_logger


@dataclass(frozen=True, slots=True)
class SignUp:
    accounts: Accounts
    passwords: Passwords
    grants: SessionGrants
    clock: Clock

    async def __call__(self, email: str, password: str, data: Mapping[str, Any]) -> SessionGrant:
        address = normalise_email(email)
        check_password(password)
        now = self.clock.now()
        user = User(
            id=new_id(),
            email=address,
            app_metadata=build_app_metadata(),
            user_metadata=data,
            created_at=now,
            updated_at=now,
        )
        await self.accounts.add(user, await self.passwords.hash(password))
        get_logger().info("user_signed_up", user_id=str(user.id))
        return await self.grants.open(replace(user, last_sign_in_at=now))
