"""The ports of one-time sign-in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from msaas.identity.domain.one_time import Flow, OneTimeToken, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """A message as the user would get it by mail."""

    email: str = field(repr=False)
    purpose: Purpose
    link: str = field(repr=False)
    code: str = field(repr=False)
    created_at: datetime


class OneTimeTokens(Protocol):
    """What is taken is gone: of two concurrent callers, one gets it."""

    async def add(self, token: OneTimeToken, message: OutboxMessage) -> None:
        """Replace the token of the same address and purpose, and put the message in the outbox."""
        ...

    async def take(self, digest: bytes, now: datetime) -> OneTimeToken | None: ...

    async def take_by_code(
        self, email: str, purpose: Purpose, code_digest: bytes, now: datetime
    ) -> OneTimeToken | None:
        """Count a wrong code as a guess; after some the token is gone."""
        ...

    async def add_flow(self, flow: Flow) -> None: ...

    async def take_flow(self, digest: bytes) -> Flow | None:
        """Return an expired flow too."""
        ...

    async def list_messages(self, limit: int) -> Sequence[OutboxMessage]:
        """List the newest messages first."""
        ...


class VerifierCheck(Protocol):
    def __call__(self, verifier: str, challenge_given: str, /) -> bool:
        """Whether the challenge was computed from the verifier."""
        ...
