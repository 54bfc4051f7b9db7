"""Who carries a request out: one at a time under each key, and the answer for repeats."""

from typing import Final, NamedTuple
from uuid import uuid4

from msaas.cache.redis_store import RedisStore, Script
from msaas.kernel import to_milliseconds

_CLAIM: Final = Script("""
local mark, answer = unpack(redis.call('HMGET', KEYS[1], 'mark', 'answer'))
if not mark then
  redis.call('HSET', KEYS[1], 'mark', ARGV[1], 'owner', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {'mine'}
end
if mark ~= ARGV[1] then return {'mismatch'} end
if answer then return {'done', answer} end
return {'busy', redis.call('PTTL', KEYS[1])}
""")
_COMPLETE: Final = Script("""
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'owner')
redis.call('HSET', KEYS[1], 'answer', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
""")
_RELEASE: Final = Script("""
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")


class IdempotencyClaim(NamedTuple):
    """Ours, until it is settled, released, or its time is over; the token proves it."""

    key: str
    token: str


class InProgress(NamedTuple):
    """Somebody else's, for so many seconds at most."""

    seconds: float


class Completed(NamedTuple):
    response: bytes


class FingerprintMismatch(NamedTuple):
    """The key was used for something else."""


class IdempotencyClaims:
    def __init__(self, store: RedisStore) -> None:
        self._store = store

    async def claim(
        self, key: str, fingerprint: str, ttl_seconds: float
    ) -> IdempotencyClaim | InProgress | Completed | FingerprintMismatch:
        """Take the key for what `mark` stands for, unless it is taken."""
        token = uuid4().hex
        found = await self._store.run_script(
            _CLAIM, [key], fingerprint, token, to_milliseconds(ttl_seconds)
        )
        match found:
            case [b"mine"]:
                return IdempotencyClaim(key, token)
            case [b"done", answer]:
                return Completed(answer)
            case [b"busy", left_ms]:
                return InProgress(left_ms / 1000)
            case _:
                return FingerprintMismatch()

    async def complete(self, claim: IdempotencyClaim, response: bytes, ttl_seconds: float) -> bool:
        """Keep the answer for those who repeat; False when the claim is no longer ours."""
        return bool(
            await self._store.run_script(
                _COMPLETE, [claim.key], claim.token, response, to_milliseconds(ttl_seconds)
            )
        )

    async def release(self, claim: IdempotencyClaim) -> bool:
        """Let the same key be tried again at once."""
        return bool(await self._store.run_script(_RELEASE, [claim.key], claim.token))
