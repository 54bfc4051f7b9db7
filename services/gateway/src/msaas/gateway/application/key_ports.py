"""What API keys need of the record."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from msaas.gateway.application.audit import Act
from msaas.gateway.application.ports import Row
from msaas.web.auth import UserPrincipal


class KeyHolder(NamedTuple):
    principal: UserPrincipal
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key as it is kept: what cannot be told from it is the key."""

    id: UUID
    user_id: UUID
    prefix: str
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTerms:
    name: str
    scopes: Sequence[str]
    expires_at: datetime | None
    requests_per_minute: int | None = None


class KeyLookup(Protocol):
    async def find_holder(self, hashes: Sequence[bytes]) -> KeyHolder | None:
        """Return None for a key that is nobody's, revoked or expired, or whose user is shut out."""
        ...

    async def mark_used(self, used: Mapping[UUID, datetime]) -> None: ...

    async def find_dead(self, key_ids: Collection[UUID]) -> Collection[UUID]:
        """Name those that `find_holder` would no longer find."""
        ...


class KeyRecord(Protocol):
    """Every change is kept together with its audit record, or not at all."""

    async def add(self, key: NewKey, terms: KeyTerms, act: Act) -> Row: ...

    async def rotate(self, key_id: UUID, fresh: NewKey, grace: timedelta, act: Act) -> Row: ...

    async def revoke(self, user_id: UUID, key_id: UUID, act: Act) -> Row: ...


class KeyViews(Protocol):
    async def list_keys(self, user_id: UUID) -> Sequence[Row]: ...
