"""A dead letter contains its reason and no secrets."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msaas.contracts import (
    JobEnvelope,
    PushedJob,
    SubmitJob,
    build_dead_letter,
    encode,
    get_topic,
)

no_deadline = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = [b"id", b"type", b"v", b"data", b"password"]


def build(topic: str, fields: dict[bytes, bytes], error: str = "why") -> dict[bytes, bytes]:
    return build_dead_letter(
        get_topic(topic),
        fields,
        entry_id="1-0",
        error=error,
        kind="poison",
        deliveries=5,
        at=NOW,
    )


def test_it_keeps_the_entry_and_adds_the_error(entry: dict[bytes, bytes]) -> None:
    assert build("jobs.results", {**entry, b"odd": b"\xff"}, "it\0broke") == {
        **entry,
        b"odd": b"\xff",
        b"dlq_entry_id": b"1-0",
        b"dlq_kind": b"poison",
        b"dlq_error": "it\ufffdbroke".encode(),
        b"dlq_deliveries": b"5",
        b"dlq_at": b"2026-01-01T00:00:00+00:00",
    }


def test_an_envelope_keeps_only_header_job_id_and_fence(
    read_sample: Callable[[str], bytes], header: dict[str, Any]
) -> None:
    envelope = JobEnvelope.model_validate_json(read_sample("JobEnvelope"))
    fields = {**encode(envelope, **header), b"password": b"hunter2"}
    kept = build("jobs.browser", fields)
    assert kept[b"data"] == (
        b'{"fence": "c0ffee00-1111-4222-8333-444455556666",'
        b' "job_id": "01938e5a-7c00-7000-8000-000000000001"}'
    )
    assert kept[b"correlation_id"] == b"req-7f3a"
    assert b"password" not in kept


def test_redaction_depends_on_the_message_type(
    read_sample: Callable[[str], bytes], header: dict[str, Any]
) -> None:
    submitted = encode(SubmitJob.model_validate_json(read_sample("SubmitJob")), **header)
    pushed = encode(PushedJob.model_validate_json(read_sample("PushedJob")), **header)
    assert build("jobs.commands", submitted)[b"data"] == submitted[b"data"]
    [kept] = json.loads(build("jobs.commands", pushed)[b"data"])
    assert kept == "job_id"
    unknown = {**submitted, b"type": b"SubmitJobV9"}
    assert list(json.loads(build("jobs.commands", unknown)[b"data"])) == ["job_id"]


@pytest.mark.parametrize(
    "data",
    [b"hunter2", b'"hunter2"', b'{"job_id": "hunter2"}', b'{"fence": ["hunter2"]}', b"[" * 99_999],
)
def test_an_invalid_envelope_keeps_no_body(data: bytes) -> None:
    assert build("jobs.generic", {b"data": data, b"type": b"JobEnvelope"})[b"data"] == b"{}"


def test_a_large_body_is_truncated(entry: dict[bytes, bytes]) -> None:
    assert len(build("jobs.results", {**entry, b"data": b"x" * 10**6})[b"data"]) == 256 * 1024


@no_deadline
@given(fields=st.dictionaries(st.sampled_from(NAMES) | st.binary(), st.binary()), error=st.text())
def test_any_entry_can_become_a_dead_letter(fields: dict[bytes, bytes], error: str) -> None:
    assert build("jobs.browser", fields, error)[b"dlq_entry_id"] == b"1-0"
    assert build("jobs.results", fields, error)[b"dlq_kind"] == b"poison"
