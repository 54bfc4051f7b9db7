"""The codec of stream entries: its format, and what it refuses."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msaas.contracts import (
    MAX_DATA,
    DecodeError,
    EncodeError,
    Entry,
    JobHeartbeat,
    JobStarted,
    JobSucceeded,
    Message,
    MessageTooLarge,
    Plan,
    Source,
    SubmitJob,
    decode,
    encode,
    get_topic,
    refuse_unsafe_json,
)

no_deadline = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
RESULTS = get_topic("jobs.results")
COMMANDS = get_topic("jobs.commands")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIELDS = [b"id", b"type", b"v", b"correlation_id", b"traceparent", b"ts", b"data", b"reply_to"]
storable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    storable,
)
printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=128)
payloads = st.dictionaries(
    storable,
    st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(storable, inner)),
    max_size=5,
)


def succeeded(result: dict[str, Any]) -> JobSucceeded:
    return JobSucceeded(
        job_id=uuid4(), fence=uuid4(), result=result, started_at=NOW, finished_at=NOW
    )


def with_result(entry: dict[bytes, bytes], result: bytes) -> dict[bytes, bytes]:
    """Put raw JSON where a worker's result goes."""
    data = json.loads(succeeded({}).model_dump_json()) | {"result": "HERE"}
    raw = json.dumps(data).encode().replace(b'"HERE"', result)
    return {**entry, b"type": b"JobSucceeded", b"data": raw}


def test_the_fields_are_these_bytes(entry: dict[bytes, bytes], header: dict[str, Any]) -> None:
    heartbeat = decode(RESULTS, entry).message
    trace = entry[b"traceparent"].decode()
    assert encode(heartbeat, **header, traceparent=trace) == entry


def test_a_command_has_a_reply_stream_and_a_ttl(header: dict[str, Any]) -> None:
    command = SubmitJob(
        job_id=uuid4(),
        user_id=uuid4(),
        task_type="echo",
        payload={"message": "hello"},
        plan=Plan.FREE,
        source=Source.API,
    )
    fields = encode(command, **header, reply_to="msaas:e:reply:gateway-1", ttl_ms=2_000)
    read = decode(COMMANDS, fields)
    assert (read.reply_to, read.ttl_ms, read.type, read.v) == (
        "msaas:e:reply:gateway-1",
        2_000,
        "SubmitJob",
        1,
    )


@no_deadline
@given(payload=payloads, correlation_id=printable, ts=st.datetimes(timezones=st.timezones()))
def test_every_message_survives_a_round_trip(
    payload: dict[str, Any], correlation_id: str, ts: datetime
) -> None:
    message, number = succeeded(payload), uuid4()
    fields = encode(message, id=number, correlation_id=correlation_id, ts=ts)
    assert decode(RESULTS, fields) == Entry(
        id=number, message=message, correlation_id=correlation_id, ts=ts.astimezone(UTC)
    )


@no_deadline
@given(spoilt=st.dictionaries(st.sampled_from(FIELDS) | st.binary(max_size=5), st.binary()))
def test_arbitrary_bytes_raise_only_a_decode_error(spoilt: dict[bytes, bytes]) -> None:
    with pytest.raises(DecodeError):
        decode(RESULTS, spoilt)


wild_text = st.text().map(json.dumps) | st.sampled_from(['"\\u0000"', '"\\ud800"', '"\\\\u0000"'])
wild_json = st.recursive(
    wild_text | st.sampled_from(["1e999", "NaN", "-Infinity", "9" * 40, "-0.0", "true", "", "{"]),
    lambda inner: (
        st.lists(inner).map(lambda items: f"[{','.join(items)}]")
        | st.dictionaries(wild_text, inner).map(
            lambda items: "{" + ",".join(f"{key}:{value}" for key, value in items.items()) + "}"
        )
    ),
)


@no_deadline
@given(field=st.sampled_from(FIELDS), value=st.binary() | wild_json.map(str.encode))
def test_an_entry_with_one_arbitrary_field_is_decoded_or_refused(
    field: bytes, value: bytes
) -> None:
    fields = encode(
        JobHeartbeat(job_id=uuid4(), fence=uuid4()), id=uuid4(), correlation_id="c", ts=NOW
    )
    assert _read_or_refuse({**fields, field: value})


@no_deadline
@given(result=wild_json)
def test_arbitrary_json_in_a_result_is_storable_or_refused(result: str) -> None:
    fields = encode(succeeded({}), id=uuid4(), correlation_id="c", ts=NOW)
    entry = _read_or_refuse(with_result(fields, b'{"x":%b}' % result.encode()))
    if isinstance(entry, Entry):
        again = json.dumps(
            entry.message.model_dump(mode="json"), ensure_ascii=False, allow_nan=False
        )
        assert b"\0" not in again.encode()
        assert "\\u0000" not in again.replace("\\\\", "")


def _read_or_refuse(fields: dict[bytes, bytes]) -> Entry[Message] | str:
    try:
        return decode(RESULTS, fields)
    except DecodeError as error:
        return error.reason


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (rb'{"a":"x\u0000y"}', "text contains NUL"),
        (rb'{"a\u0000":1}', "text contains NUL"),
        (rb'{"a":"\\\u0000"}', "text contains NUL"),
        (b'{"a":"\x00"}', "data: json_invalid"),
        (rb'{"a":"\ud83d"}', "data: json_invalid"),
        (rb'{"a":"\ude00\ud83d"}', "data: json_invalid"),
        (b'{"a":"\xed\xa0\x80"}', "data: json_invalid"),
        (b'{"a":"\xff"}', "data: json_invalid"),
        (b'{"a":9223372036854775808}', "data: result: a number does not fit in 64 bits"),
        (b'{"a":[-9223372036854775809]}', "data: result: a number does not fit in 64 bits"),
        (b'{"a":' + b"9" * 5_000 + b"}", "data: json_invalid"),
        (b'{"a":1e999}', "data: result: a number is not finite"),
        (b'{"a":NaN}', "data: result: a number is not finite"),
        (b'{"a":{"b":-Infinity}}', "data: result: a number is not finite"),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", "data: result: nesting is deeper than 32"),
        (b'{"a":' + b"[" * 31 + b"]" * 31 + b"}", "nesting is deeper than 32"),
        (b'{"a":' + b"[" * 9_000 + b"]" * 9_000 + b"}", "data: json_invalid"),
        (b'"hunter2"', "data: result: dict_type"),
        (b'{"a":1}, "job_id": "hunter2"', "data: job_id: uuid_parsing"),
    ],
)
def test_unstorable_text_is_refused_with_a_reason(
    entry: dict[bytes, bytes], result: bytes, reason: str
) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(RESULTS, with_result(entry, result))
    assert caught.value.reason == reason
    assert "hunter2" not in caught.value.reason


@pytest.mark.parametrize(
    "result",
    [
        rb'{"a":"\\u0000"}',
        rb'{"a":"\\\\u0000"}',
        b'{"a":"' + b"[{" * 500 + b'"}',
        rb'{"a":"\"' + b"[" * 500 + rb'\\"}',
        b'{"a":[' + b"{}," * 500 + b"{}]}",
        b'{"a":' + b"[" * 30 + b"]" * 30 + b"}",
        rb'{"a":"\ud83d\ude00"}',
        b'{"a":-9223372036854775808, "b":1.5e300, "c":-0.0}',
    ],
)
def test_text_that_only_looks_unsafe_is_accepted(entry: dict[bytes, bytes], result: bytes) -> None:
    read = decode(RESULTS, with_result(entry, result)).message
    assert isinstance(read, JobSucceeded)
    assert read.result == json.loads(result)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (b"id", None, "id is missing"),
        (b"data", None, "data is missing"),
        (b"type", b"Nonsense", "type is not one of jobs.results"),
        (b"type", b"SubmitJob", "type is not one of jobs.results"),
        (b"v", b"2", "v is not a known version"),
        (b"id", b"hunter2", "id is malformed"),
        (b"id", b"-" * 36, "id is not a UUID"),
        (b"correlation_id", b"", "correlation_id is malformed"),
        (b"correlation_id", b"a\nb", "correlation_id is malformed"),
        (b"correlation_id", b"c" * 129, "correlation_id is malformed"),
        (b"ts", b"yesterday", "ts is not an ISO 8601 time"),
        (b"ts", b"2026-01-01T00:00:00", "ts has no time zone"),
        (b"reply_to", b"\xff", "reply_to is malformed"),
        (b"ttl_ms", b"-5", "ttl_ms is malformed"),
        (b"data", b"[1]", "data: model_type"),
        (b"data", b"{" * 300_000, "data is larger than 262144 bytes"),
    ],
)
def test_an_invalid_header_is_refused_with_a_reason(
    entry: dict[bytes, bytes], field: bytes, value: bytes | None, reason: str
) -> None:
    spoilt = {name: old for name, old in entry.items() if name != field}
    if value is not None:
        spoilt[field] = value
    with pytest.raises(DecodeError) as caught:
        decode(RESULTS, spoilt)
    assert caught.value.reason == reason


def test_a_malformed_traceparent_is_ignored(
    entry: dict[bytes, bytes], header: dict[str, Any]
) -> None:
    assert decode(RESULTS, {**entry, b"traceparent": b"\xff junk"}).traceparent is None
    read = decode(RESULTS, entry).message
    assert b"traceparent" not in encode(read, **header, traceparent="junk")


def test_a_ttl_has_a_maximum(entry: dict[bytes, bytes], header: dict[str, Any]) -> None:
    assert decode(RESULTS, {**entry, b"ttl_ms": b"99999999"}).ttl_ms == 24 * 3600 * 1000
    with pytest.raises(EncodeError, match="ttl_ms"):
        encode(decode(RESULTS, entry).message, **header, ttl_ms=0)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"a": "x\0y"}, "text contains NUL"),
        ({"a": "\ud800"}, "text contains a lone surrogate"),
    ],
)
def test_undecodable_data_is_not_encoded(
    header: dict[str, Any], result: dict[str, Any], reason: str
) -> None:
    with pytest.raises(EncodeError) as caught:
        encode(succeeded(result), **header)
    assert caught.value.reason == reason


def _cycle() -> list[Any]:
    around: list[Any] = []
    around.append(around)
    return around


@pytest.mark.parametrize("value", [2**63, float("inf"), uuid4(), {1: 2}, (1,), _cycle()])
def test_a_payload_must_be_json(value: object) -> None:
    with pytest.raises(ValueError, match=r"JSON|64 bits|finite|key|nesting"):
        succeeded({"a": value})


def test_a_large_message_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(MessageTooLarge):
        encode(succeeded({"a": "x" * MAX_DATA}), **header)


@pytest.mark.parametrize(
    "spoilt", [{"correlation_id": "a b"}, {"ts": NOW.replace(tzinfo=None)}, {"reply_to": "ü"}]
)
def test_an_undecodable_header_is_not_encoded(
    header: dict[str, Any], spoilt: dict[str, Any]
) -> None:
    heartbeat = JobHeartbeat(job_id=uuid4(), fence=uuid4())
    with pytest.raises(EncodeError):
        encode(heartbeat, **{**header, **spoilt})


def test_an_optional_field_may_be_absent(
    entry: dict[bytes, bytes], load_sample: Callable[[str], JobStarted]
) -> None:
    whole = load_sample("JobStarted")
    bare = whole.model_dump_json(exclude={"lease_ms"}).encode()
    assert decode(RESULTS, {**entry, b"type": b"JobStarted", b"data": bare}).message == whole


lists = st.recursive(
    st.text(alphabet='[]{}"\\a', max_size=5), lambda inner: st.lists(inner, max_size=2)
)


@no_deadline
@given(value=lists, depth=st.integers(0, 40))
def test_the_depth_of_json_is_exact(value: object, depth: int) -> None:
    nested = value
    for _ in range(depth):
        nested = [nested]
    document = json.dumps(nested).encode()
    if _depth(nested) > 32:
        with pytest.raises(ValueError, match="nesting"):
            refuse_unsafe_json(document)
    else:
        refuse_unsafe_json(document)


def _depth(value: object) -> int:
    inner = cast("list[Any]", value) if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)
