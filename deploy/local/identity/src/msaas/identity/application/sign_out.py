"""Ends sessions: this one, the others, or all of them."""

from dataclasses import dataclass

from msaas.identity.application.authenticate import AuthenticatedSession
from msaas.identity.application.ports import Sessions, SignOutScope
from msaas.telemetry import get_logger


@dataclass(frozen=True, slots=True)
class SignOut:
    sessions: Sessions

    async def __call__(self, authenticated: AuthenticatedSession, scope: SignOutScope) -> None:
        await self.sessions.close(authenticated.session, scope)
        get_logger().info("sessions_closed", user_id=str(authenticated.user.id), scope=str(scope))
