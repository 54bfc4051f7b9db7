"""Carrying a request out once, however often it comes under the same Idempotency-Key."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from msaas.cache import Busy, Claim, Claims, Done
from msaas.contracts import idempotency_key
from msaas.gateway.application.errors import (
    AnswerNotKept,
    IdempotencyInProgress,
    IdempotencyMismatch,
)
from msaas.gateway.domain.fingerprints import fingerprint
from msaas.gateway.domain.repeats import Fate, Keeping, decide_fate
from msaas.kernel import DependencyUnavailable, Overloaded
from msaas.telemetry import get_logger

KEPT_SECONDS: Final = 24 * 3600.0
LARGEST: Final = 64 * 1024


class RequestRepeats:
    """`claim_seconds` is how long a request may be under way: its command's time and some more."""

    def __init__(
        self, claims: Claims, environment: str, fingerprint_key: bytes, *, claim_seconds: float
    ) -> None:
        self._claims = claims
        self._environment = environment
        self._fingerprint_key = fingerprint_key
        self._claim_seconds = claim_seconds
        self._log = get_logger()

    async def begin(self, user_id: UUID, key: str, asked: Mapping[str, Any]) -> Claim | bytes:
        """Answer a claim to whoever is first, and what was answered to whoever repeats."""
        place = self._place(user_id, key)
        mark = fingerprint(self._fingerprint_key, asked)
        match await self._claims.claim(place, mark, self._claim_seconds):
            case Claim() as claim:
                return claim
            case Done(answer=b""):
                raise AnswerNotKept
            case Done(answer=answer):
                return answer
            case Busy(seconds=seconds):
                raise IdempotencyInProgress(retry_after=min(seconds, 1.0))
            case _:
                raise IdempotencyMismatch("This Idempotency-Key was used for another request.")

    async def end(self, claim: Claim, status: int, answer: bytes, keeping: Keeping) -> None:
        """Keep the answer or let the key go; if that fails, the claim ends by itself."""
        if len(answer) > LARGEST:
            keeping = Keeping.NOTHING
        try:
            match decide_fate(status, keeping):
                case Fate.SETTLED:
                    kept = answer if keeping is Keeping.WHOLE else b""
                    await self._claims.settle(claim, kept, KEPT_SECONDS)
                case Fate.RELEASED:
                    await self._claims.release(claim)
                case Fate.LEFT:
                    pass
        except (DependencyUnavailable, Overloaded):
            self._log.warning("idempotency_answer_lost", status=status)

    def _place(self, user_id: UUID, key: str) -> str:
        digest = hashlib.sha256(key.encode()).hexdigest()[:40]
        return idempotency_key(self._environment, str(user_id), digest)
