"""The hash of the usage chain."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msaas.contracts import USAGE_GENESIS, UsageRecorded, usage_hash

no_deadline = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SUBJECT = UUID("2b1c6a0e-93d4-4b7f-8c55-0d9e8f7a6b5c")
JOB = UUID("01938e5a-7c00-7000-8000-000000000001")
AT = datetime(2026, 1, 1, 0, 0, 1, 600_000, UTC)
FIRST = "ac681d1643902c4500d0a2c2a19c1ed43dd69a32e95b77920e4ca265234cb1b2"


def test_the_first_hash_does_not_change() -> None:
    assert usage_hash(SUBJECT, 1, JOB, 1, AT, USAGE_GENESIS) == FIRST


def test_the_bytes_are_those_that_postgres_sends() -> None:
    parts = (
        "2b1c6a0e93d44b7f8c550d9e8f7a6b5c",  # uuid_send(subject)
        "0000000000000002",  # int8send(seq)
        "01938e5a7c0070008000000000000001",  # uuid_send(job_id)
        "0000000000000001",  # int8send(quantity)
        "000647484638aa00",  # int8send(microseconds since 1970)
        FIRST,  # decode(prev_hash, 'hex')
    )
    fixed = bytes.fromhex("".join(parts))
    assert usage_hash(SUBJECT, 2, JOB, 1, AT, FIRST) == hashlib.sha256(fixed).hexdigest()


def test_the_sample_has_a_valid_hash(load_sample: Callable[[str], UsageRecorded]) -> None:
    fact = load_sample("UsageRecorded")
    assert fact.hash == usage_hash(
        fact.subject_id, fact.seq, fact.job_id, fact.quantity, fact.occurred_at, fact.prev_hash
    )


def test_the_time_zone_does_not_change_the_hash() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=-7)))
    assert usage_hash(SUBJECT, 1, JOB, 1, elsewhere, USAGE_GENESIS) == FIRST


@no_deadline
@given(
    change=st.sampled_from(["subject", "seq", "job", "quantity", "at", "previous"]),
    by=st.integers(1, 10**6),
)
def test_a_change_anywhere_changes_the_hash(change: str, by: int) -> None:
    def moved(name: str) -> int:
        return by if name == change else 0

    changed = usage_hash(
        UUID(int=SUBJECT.int ^ moved("subject")),
        1 + moved("seq"),
        UUID(int=JOB.int ^ moved("job")),
        1 + moved("quantity"),
        AT + timedelta(microseconds=moved("at")),
        f"{moved('previous'):064x}",
    )
    assert changed != FIRST


@pytest.mark.parametrize("previous", ["", "00", "zz" * 32])
def test_a_previous_hash_is_32_bytes_in_hex(previous: str) -> None:
    with pytest.raises(ValueError, match=r"hex|32 bytes"):
        usage_hash(SUBJECT, 1, JOB, 1, AT, previous)
