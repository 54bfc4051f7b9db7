"""The ports that the use cases need."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from msaas.identity.domain.sessions import Session
from msaas.identity.domain.signing_keys import SigningKey
from msaas.identity.domain.users import User


@dataclass(frozen=True, slots=True)
class UserAccount:
    user: User
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """None leaves a field unchanged; a None inside `user_metadata` removes that entry."""

    email: str | None = None
    password_hash: str | None = field(default=None, repr=False)
    user_metadata: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    app_metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """The session of a presented refresh token, and the token's generation in it."""

    session: Session
    generation: int


class SignOutScope(StrEnum):
    GLOBAL = "global"
    LOCAL = "local"
    OTHERS = "others"


class Accounts(Protocol):
    async def add(self, user: User, password_hash: str) -> None:
        """Raise UserAlreadyExists when the address is taken."""
        ...

    async def find(self, user_id: UUID) -> UserAccount | None: ...

    async def find_by_email(self, email: str) -> UserAccount | None: ...

    async def change(
        self, user_id: UUID, change: UserChange, *, keep_session: UUID | None = None
    ) -> User:
        """Raise EmailExists; a new password ends every session but `keep_session`."""
        ...


class Sessions(Protocol):
    async def open(self, session: Session, token: bytes) -> None: ...

    async def find(self, session_id: UUID) -> Session | None: ...

    async def find_by_refresh_token(self, token: bytes) -> PresentedToken | None: ...

    async def rotate(self, session: Session, child: bytes) -> bool:
        """Return False when the session was rotated or ended since it was read."""
        ...

    async def revoke(self, session_id: UUID) -> None: ...

    async def close(self, session: Session, scope: SignOutScope) -> None: ...


class Passwords(Protocol):
    async def hash(self, password: str) -> str: ...

    async def verify(self, stored: str | None, password: str) -> bool:
        """Return False without a stored hash, after as much work as with one."""
        ...


class SigningKeys(Protocol):
    async def list(self) -> Sequence[SigningKey]: ...

    async def change(
        self, change: Callable[[Sequence[SigningKey]], Sequence[SigningKey]]
    ) -> Sequence[SigningKey]:
        """Replace the keys with the result of `change`, one caller at a time."""
        ...


class Tokens(Protocol):
    async def sign(self, claims: Mapping[str, Any]) -> str: ...

    async def verify(self, token: str) -> Mapping[str, Any]:
        """Raise BadJwt unless this server signed the token and it has not expired."""
        ...

    async def list_published(self) -> list[dict[str, Any]]:
        """List the public keys that verify tokens."""
        ...
