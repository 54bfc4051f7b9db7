"""The contracts in five steps: from a task to the bytes that a browser receives."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from msaas.contracts import (
    DecodeError,
    JobChanged,
    JobFrame,
    JobStatus,
    Plan,
    Source,
    SubmitJob,
    decode,
    encode,
    get_task,
    get_topic,
    job_frame,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SUBMIT = SubmitJob(
    job_id=uuid4(),
    user_id=uuid4(),
    task_type="echo",
    payload={"message": "hello"},
    plan=Plan.FREE,
    source=Source.API,
)


def test_1_a_task_declares_its_parameters_and_topic() -> None:
    echo = get_task("echo")
    params = echo.params.model_validate({"message": "hello"}, extra="forbid")
    assert params.model_dump() == {"message": "hello", "delay_ms": 0, "secret": None}
    assert get_topic(echo.topic).consumers == ("jobs-worker",)


def test_2_a_message_becomes_the_fields_of_a_stream_entry() -> None:
    fields = encode(SUBMIT, id=uuid4(), correlation_id="req-1", ts=NOW)
    assert fields[b"type"] == b"SubmitJob"
    assert fields[b"ts"] == b"2026-01-01T00:00:00Z"
    assert b'"payload":{"message":"hello"}' in fields[b"data"]


def test_3_the_topic_decodes_them() -> None:
    fields = encode(SUBMIT, id=uuid4(), correlation_id="req-1", ts=NOW)
    entry = decode(get_topic("jobs.commands"), fields)
    assert entry.message == SUBMIT
    assert entry.correlation_id == "req-1"


def test_4_an_invalid_entry_raises_only_a_decode_error(
    entry: dict[bytes, bytes],
) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(get_topic("jobs.results"), {**entry, b"data": rb'{"job_id": "\u0000"}'})
    assert caught.value.reason == "data: job_id: uuid_parsing"


def test_5_a_change_becomes_one_frame_for_all_open_dashboards(
    load_sample: Callable[[str], JobChanged],
) -> None:
    changed = load_sample("JobChanged")
    assert changed.frame.status is JobStatus.RUNNING
    assert job_frame("1767225601253-0", changed.frame).startswith(
        b'id: 1767225601253-0\nevent: job\ndata: {"id":"01938e5a-'
    )
    assert set(JobFrame.model_fields) == {"id", "status", "attempts", "updated_at", "last_error"}
