"""Making, turning over and revoking API keys; a key's text leaves here once and is not kept."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar, NamedTuple
from uuid import UUID

from msaas.contracts import Scope
from msaas.gateway.application.audit import Caller, describe_act
from msaas.gateway.application.errors import NotAllowed
from msaas.gateway.application.key_ports import KeyRecord, KeyTerms, NewKey
from msaas.gateway.application.ports import Row
from msaas.gateway.domain.api_keys import ENTROPY, build_key, hash_key, shown_part
from msaas.kernel import Clock, ErrorKind, MsaasError, SystemClock, derive_id, new_id

MOST_KEYS = 20


class KeyNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "There is no such API key."


class TooManyKeys(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = f"{MOST_KEYS} API keys are live: revoke one first."


class KeyIsDead(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "The API key is revoked, expired or already turned over."


class KeyShownBefore(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = (
        "This request was carried out before, and a key is shown only once."
    )


class ShownKey(NamedTuple):
    row: Row
    key: str


class ManageKeys:
    def __init__(
        self,
        record: KeyRecord,
        pepper: bytes,
        on_change: Callable[[UUID], None],
        clock: Clock | None = None,
    ) -> None:
        self._record = record
        self._pepper = pepper
        self._on_change = on_change
        self._clock = clock or SystemClock()

    async def create(self, by: Caller, terms: KeyTerms, repeat: str | None) -> ShownKey:
        if Scope.OPS in terms.scopes and by.user.role != "operator":
            raise NotAllowed("The scope ops is for operators.")
        fresh, key = self._mint(by, "create", repeat)
        details = {"name": terms.name, "scopes": [str(one) for one in terms.scopes]}
        act = describe_act(by, "api_key.created", ("api_key", fresh.id), self._clock, **details)
        return ShownKey(await self._record.add(fresh, terms, act), key)

    async def rotate(
        self, by: Caller, key_id: UUID, grace: timedelta, repeat: str | None
    ) -> ShownKey:
        """Make another on the same terms; the old one lives on for `grace`."""
        fresh, key = self._mint(by, f"rotate:{key_id}", repeat)
        details = {"replaced_by": str(fresh.id), "grace_seconds": int(grace.total_seconds())}
        act = describe_act(by, "api_key.rotated", ("api_key", key_id), self._clock, **details)
        row = await self._record.rotate(key_id, fresh, grace, act)
        self._on_change(key_id)
        return ShownKey(row, key)

    async def revoke(self, by: Caller, key_id: UUID) -> Row:
        act = describe_act(by, "api_key.revoked", ("api_key", key_id), self._clock)
        row = await self._record.revoke(by.user.id, key_id, act)
        self._on_change(key_id)
        return row

    def _mint(self, by: Caller, what: str, repeat: str | None) -> tuple[NewKey, str]:
        """Derive the id from the Idempotency-Key, so that a repeat is recognised by it."""
        key_id = derive_id(by.user.id, f"api_key:{what}:{repeat}") if repeat else new_id()
        key = build_key(secrets.token_bytes(ENTROPY))
        digest = hash_key(self._pepper, key)
        return NewKey(id=key_id, user_id=by.user.id, prefix=shown_part(key), hash=digest), key
