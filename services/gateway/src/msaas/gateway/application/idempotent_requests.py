"""Executes a request once, however often it arrives with the same Idempotency-Key."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from msaas.cache import Completed, IdempotencyClaim, IdempotencyClaims, InProgress
from msaas.contracts import idempotency_key
from msaas.gateway.application.errors import (
    IdempotencyInProgress,
    IdempotencyMismatch,
    ResponseNotStored,
)
from msaas.gateway.domain.fingerprints import fingerprint
from msaas.gateway.domain.idempotency import ClaimOutcome, ReplayPolicy, decide_claim_outcome
from msaas.kernel import DependencyUnavailable, Overloaded
from msaas.telemetry import get_logger

RESPONSE_TTL_SECONDS: Final = 24 * 3600.0
MAX_RESPONSE_BYTES: Final = 64 * 1024


class IdempotentRequests:
    """`claim_seconds` is longer than a request takes: its command's timeout and a margin."""

    def __init__(
        self,
        claims: IdempotencyClaims,
        environment: str,
        fingerprint_key: bytes,
        *,
        claim_seconds: float,
    ) -> None:
        self._claims = claims
        self._environment = environment
        self._fingerprint_key = fingerprint_key
        self._claim_seconds = claim_seconds
        self._log = get_logger()

    async def begin(
        self, user_id: UUID, key: str, request: Mapping[str, Any]
    ) -> IdempotencyClaim | bytes:
        """Return a claim to the first request, and the stored response to a repeat."""
        claim_key = self._build_claim_key(user_id, key)
        request_fingerprint = fingerprint(self._fingerprint_key, request)
        match await self._claims.claim(claim_key, request_fingerprint, self._claim_seconds):
            case IdempotencyClaim() as claim:
                return claim
            case Completed(response=b""):
                raise ResponseNotStored
            case Completed(response=stored):
                return stored
            case InProgress(seconds=seconds):
                raise IdempotencyInProgress(retry_after=min(seconds, 1.0))
            case _:
                raise IdempotencyMismatch("This Idempotency-Key was used for another request.")

    async def finish(
        self, claim: IdempotencyClaim, status: int, response: bytes, policy: ReplayPolicy
    ) -> None:
        """Store the response or release the key; if that fails, the claim expires."""
        if len(response) > MAX_RESPONSE_BYTES:
            policy = ReplayPolicy.NONE
        try:
            match decide_claim_outcome(status, policy):
                case ClaimOutcome.COMPLETED:
                    stored = response if policy is ReplayPolicy.FULL else b""
                    await self._claims.complete(claim, stored, RESPONSE_TTL_SECONDS)
                case ClaimOutcome.RELEASED:
                    await self._claims.release(claim)
                case ClaimOutcome.LEFT_TO_EXPIRE:
                    pass
        except (DependencyUnavailable, Overloaded):
            self._log.warning("idempotent_response_lost", status=status)

    def _build_claim_key(self, user_id: UUID, key: str) -> str:
        digest = hashlib.sha256(key.encode()).hexdigest()[:40]
        return idempotency_key(self._environment, str(user_id), digest)
