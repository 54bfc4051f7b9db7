"""Ending sessions: this one, the others, or all of them."""

from dataclasses import dataclass

from msaas.identity.application.authenticate import SignedIn
from msaas.identity.application.ports import Scope, Sessions
from msaas.telemetry import get_logger


@dataclass(frozen=True, slots=True)
class SignOut:
    sessions: Sessions

    async def __call__(self, who: SignedIn, scope: Scope) -> None:
        await self.sessions.close(who.session, scope)
        get_logger().info("sessions_closed", user_id=str(who.user.id), scope=str(scope))
