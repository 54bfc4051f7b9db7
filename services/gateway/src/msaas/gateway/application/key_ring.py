"""Keys that were seen a moment ago: known without a look-up, and forgotten within seconds."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from msaas.gateway.application.key_ports import KeyHolder, KeyLookup
from msaas.gateway.domain.api_keys import PREFIX, hash_key, is_well_formed
from msaas.kernel import Clock, MsaasError, SystemClock
from msaas.telemetry import Metrics
from msaas.web.auth import Unauthenticated, UserPrincipal

REMEMBERED_SECONDS: Final = 5.0
MOST_REMEMBERED: Final = 10_000
MOST_REFUSED: Final = 1_000
# A stream by a key without an end is opened anew now and then.
LONGEST_STREAM: Final = 3_600.0


What = TypeVar("What")


class _Known(NamedTuple):
    holder: KeyHolder
    until: float


class KeyRing:
    """Asks the record about a key every few seconds: so long may a revoked one still be good.

    Where the record does not answer nobody is let in. The first pepper makes hashes, all find them.
    """

    def __init__(
        self,
        keys: KeyLookup,
        peppers: Sequence[bytes],
        *,
        metrics: Metrics,
        clock: Clock | None = None,
    ) -> None:
        self._keys = keys
        self._peppers = peppers
        self._clock = clock or SystemClock()
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        # Apart from the good ones, so that no flood of bad ones can push those out.
        self._refused: OrderedDict[bytes, float] = OrderedDict()
        self._used: dict[UUID, datetime] = {}
        self._changes = 0
        self._total = metrics.counter(
            "msaas_api_key_validation_total", "Checks of API keys.", ("result",)
        )

    def recognises(self, credential: str) -> bool:
        return credential.startswith(PREFIX)

    async def get_holder(self, key: str) -> tuple[UserPrincipal, float]:
        try:
            holder = await self._find(key)
        except MsaasError as error:
            self._total.labels(error.code).inc()
            raise
        self._total.labels("ok").inc()
        now = self._clock.now()
        if holder.principal.key is not None:
            self._used[holder.principal.key.id] = now
        end = holder.expires_at.timestamp() if holder.expires_at else now.timestamp()
        return holder.principal, end if holder.expires_at else end + LONGEST_STREAM

    def forget(self, key_id: UUID) -> None:
        """Ask again at once: the key has changed."""
        self._changes += 1
        gone = [
            digest
            for digest, known in self._known.items()
            if known.holder.principal.key and known.holder.principal.key.id == key_id
        ]
        for digest in gone:
            del self._known[digest]

    async def note_use(self) -> None:
        """Write down which keys were used since the last time; what fails is written the next."""
        used, self._used = self._used, {}
        try:
            if used:
                await self._keys.mark_used(used)
        except MsaasError:
            self._used = used | self._used
            raise

    async def _find(self, key: str) -> KeyHolder:
        if not is_well_formed(key):
            raise Unauthenticated
        digest = hash_key(self._peppers[0], key)
        now = self._clock.monotonic()
        if (known := self._known.get(digest)) is not None and now < known.until:
            return self._still_good(known.holder)
        if self._refused.get(digest, now) > now:
            raise Unauthenticated
        return await self._ask(digest, key)

    def _still_good(self, holder: KeyHolder) -> KeyHolder:
        if holder.expires_at is not None and holder.expires_at <= self._clock.now():
            raise Unauthenticated
        return holder

    async def _ask(self, digest: bytes, key: str) -> KeyHolder:
        before = self._changes
        older = [hash_key(pepper, key) for pepper in self._peppers[1:]]
        holder = await self._keys.find_holder([digest, *older])
        until = self._clock.monotonic() + REMEMBERED_SECONDS
        if holder is None:
            _remember(self._refused, digest, until, MOST_REFUSED)
            raise Unauthenticated
        if self._changes == before:  # else it may have been read before it changed
            _remember(self._known, digest, _Known(holder, until), MOST_REMEMBERED)
        return self._still_good(holder)


def _remember(memory: OrderedDict[bytes, What], digest: bytes, what: What, most: int) -> None:
    memory[digest] = what
    memory.move_to_end(digest)
    if len(memory) > most:
        memory.popitem(last=False)
