"""Creates, rotates and revokes API keys; the text of a key is returned once and not stored."""

import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import ClassVar, NamedTuple
from uuid import UUID

from msaas.contracts import Scope
from msaas.gateway.application.audit import Actor, build_audit_entry
from msaas.gateway.application.errors import NotAllowed
from msaas.gateway.application.key_ports import HashedKey, KeyAttributes, KeyRepository
from msaas.gateway.application.ports import Row
from msaas.gateway.domain.api_keys import ENTROPY_BYTES, build_key, display_prefix, hash_key
from msaas.kernel import Clock, ErrorKind, MsaasError, SystemClock, derive_id, new_id

MAX_KEYS = 20
# With those that were rotated and still work for their grace; the first page shows all of them.
MAX_LIVE_KEYS = 2 * MAX_KEYS


class KeyNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "API key not found."


class TooManyKeys(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = (
        f"The limit of {MAX_KEYS} active API keys is reached. Revoke one first."
    )


class KeyNotActive(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "The API key is revoked, expired or already rotated."


class KeyAlreadyShown(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "The request was already processed. A key is shown only once."


class CreatedKey(NamedTuple):
    row: Row
    key: str


class ManageKeys:
    def __init__(
        self,
        repository: KeyRepository,
        pepper: bytes,
        on_change: Callable[[UUID], None],
        clock: Clock | None = None,
    ) -> None:
        self._repository = repository
        self._pepper = pepper
        self._on_change = on_change
        self._clock = clock or SystemClock()

    async def create(
        self, actor: Actor, attributes: KeyAttributes, idempotency_key: str | None
    ) -> CreatedKey:
        if Scope.OPS in attributes.scopes and actor.user.role != "operator":
            raise NotAllowed("The ops scope requires the operator role.")
        new_key, key = self._generate_key(actor, "create", idempotency_key)
        details = {"name": attributes.name, "scopes": [str(scope) for scope in attributes.scopes]}
        audit_entry = build_audit_entry(
            actor, "api_key.created", ("api_key", new_key.id), self._clock, **details
        )
        return CreatedKey(await self._repository.add(new_key, attributes, audit_entry), key)

    async def rotate(
        self, actor: Actor, key_id: UUID, grace: timedelta, idempotency_key: str | None
    ) -> CreatedKey:
        """Create a key with the same attributes; the old key stays valid for `grace`."""
        new_key, key = self._generate_key(actor, f"rotate:{key_id}", idempotency_key)
        details = {"replaced_by": str(new_key.id), "grace_seconds": int(grace.total_seconds())}
        audit_entry = build_audit_entry(
            actor, "api_key.rotated", ("api_key", key_id), self._clock, **details
        )
        row = await self._repository.rotate(key_id, new_key, grace, audit_entry)
        self._on_change(key_id)
        return CreatedKey(row, key)

    async def revoke(self, actor: Actor, key_id: UUID) -> Row:
        audit_entry = build_audit_entry(actor, "api_key.revoked", ("api_key", key_id), self._clock)
        row = await self._repository.revoke(actor.user.id, key_id, audit_entry)
        self._on_change(key_id)
        return row

    async def revoke_all(self, actor: Actor) -> Sequence[UUID]:
        target = ("user", actor.user.id)
        audit_entry = build_audit_entry(actor, "api_key.all_revoked", target, self._clock)
        revoked = await self._repository.revoke_all(actor.user.id, audit_entry)
        for key_id in revoked:
            self._on_change(key_id)
        return revoked

    def _generate_key(
        self, actor: Actor, operation: str, idempotency_key: str | None
    ) -> tuple[HashedKey, str]:
        """Derive the id from the Idempotency-Key, so that a repeat has the same id."""
        key_id = (
            derive_id(actor.user.id, f"api_key:{operation}:{idempotency_key}")
            if idempotency_key
            else new_id()
        )
        key = build_key(secrets.token_bytes(ENTROPY_BYTES))
        digest = hash_key(self._pepper, key)
        return HashedKey(
            id=key_id, user_id=actor.user.id, prefix=display_prefix(key), hash=digest
        ), key
