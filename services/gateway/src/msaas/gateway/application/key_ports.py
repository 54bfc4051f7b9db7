"""The ports of API keys."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from msaas.auth import UserPrincipal
from msaas.gateway.application.audit import AuditEntry
from msaas.gateway.application.ports import Row
from msaas.gateway.domain.page_cursor import PageCursor


class KeyHolder(NamedTuple):
    principal: UserPrincipal
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedKey:
    """A key as it is stored: the text of the key cannot be computed from it."""

    id: UUID
    user_id: UUID
    prefix: str
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAttributes:
    name: str
    scopes: Sequence[str]
    expires_at: datetime | None
    requests_per_minute: int | None = None


class KeyLookup(Protocol):
    async def find_holder(self, hashes: Sequence[bytes]) -> KeyHolder | None:
        """Return None for an unknown, revoked or expired key, and for a closed account."""
        ...

    async def mark_used(self, used: Mapping[UUID, datetime]) -> None: ...

    async def find_inactive(self, key_ids: Collection[UUID]) -> Collection[UUID]:
        """Return the keys that `find_holder` would no longer find."""
        ...


class KeyRepository(Protocol):
    """Stores every change and its audit entry in one transaction."""

    async def add(
        self, key: HashedKey, attributes: KeyAttributes, audit_entry: AuditEntry
    ) -> Row: ...

    async def rotate(
        self, key_id: UUID, new_key: HashedKey, grace: timedelta, audit_entry: AuditEntry
    ) -> Row: ...

    async def revoke(self, user_id: UUID, key_id: UUID, audit_entry: AuditEntry) -> Row: ...

    async def revoke_all(self, user_id: UUID, audit_entry: AuditEntry) -> Sequence[UUID]:
        """Return the keys that were live; the audit entry gets their ids."""
        ...


class KeyViews(Protocol):
    async def list_keys(
        self, user_id: UUID, before: PageCursor | None, limit: int
    ) -> Sequence[Row]:
        """List live keys first, on the first page, then those that have ended, newest first."""
        ...
