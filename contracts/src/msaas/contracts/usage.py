"""Usage as a hash chain: each message carries a hash over its fields and the previous hash."""

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from msaas.contracts.message import Message, OnFull
from msaas.contracts.plans import Plan
from msaas.contracts.text import Identifier

USAGE_GENESIS = "0" * 64
"""The previous hash of a subject's first entry."""

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PositiveCount = Annotated[int, Field(ge=1, le=2**63 - 1)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAYOUT = struct.Struct(">16sQ16sqq32s")


class UsageRecorded(Message, on_full=OnFull.SKIP):
    """One completed billable job. The subject is a random id that identifies no person."""

    subject_id: UUID
    seq: PositiveCount
    job_id: UUID
    quantity: PositiveCount
    occurred_at: AwareDatetime
    period_start: AwareDatetime
    plan: Plan
    prev_hash: Hash
    hash: Hash


class UsageNoted(Message, on_full=OnFull.SKIP):
    """A chain entry that charges nothing, published so that consumers see no gap in `seq`.

    Its hash uses the nil UUID as the job id.
    """

    subject_id: UUID
    seq: PositiveCount
    kind: Identifier
    quantity: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
    occurred_at: AwareDatetime
    period_start: AwareDatetime
    prev_hash: Hash
    hash: Hash


def usage_hash(  # noqa: PLR0917  # the fields in the order of their bytes
    subject: UUID, seq: int, job_id: UUID, quantity: int, occurred_at: datetime, prev_hash: str
) -> str:
    """Return SHA-256 over uuid, int8, uuid, int8, int8 (µs since 1970), 32 bytes; all big-endian.

    Postgres builds the same bytes with uuid_send, int8send and decode.
    """
    micros = (occurred_at - _EPOCH) // timedelta(microseconds=1)
    previous = bytes.fromhex(prev_hash)
    if len(previous) != hashlib.sha256().digest_size:
        raise ValueError("a previous hash must have 32 bytes")
    fixed = _LAYOUT.pack(subject.bytes, seq, job_id.bytes, quantity, micros, previous)
    return hashlib.sha256(fixed).hexdigest()
