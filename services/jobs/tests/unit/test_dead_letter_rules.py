"""The class of a dead letter, its replays, and which part of it may be shown."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.contracts import LetterClass, LetterState
from msaas.jobs.application.collect_dead_letters import read_entry
from msaas.jobs.application.dead_letters_ports import DeadLetterStream
from msaas.jobs.domain.dead_letters import (
    CAP,
    MAX_REPLAYS,
    BlockReason,
    DeadLetter,
    check_replay,
    classify,
    find_block_reason,
    find_replay_delay,
)
from msaas.jobs.domain.dead_letters_bodies import pack, redact, unpack
from msaas.jobs.domain.errors import DeadLetterResolved, ReplaysExhausted

COMMANDS = DeadLetterStream(
    "jobs.commands", "msaas:t:stream:jobs.commands.v1.dlq", quarantined=False
)
BROWSER = DeadLetterStream(
    "jobs.browser", "msaas:t:stream:jobs.browser.v1.dlq.poison", quarantined=True
)
FIELDS = st.dictionaries(st.binary(max_size=20), st.binary(max_size=60), max_size=5)


def build_dead_letter(**fields: object) -> DeadLetter:
    given_: dict[str, object] = {
        "id": uuid4(),
        "letter_class": LetterClass.TRANSIENT,
        "topic": "jobs.results",
        "state": LetterState.OPEN,
        "replays": 0,
    }
    return DeadLetter(**{**given_, **fields})  # pyright: ignore[reportArgumentType]  # each test's own


@pytest.mark.parametrize(
    ("kind", "error", "expected"),
    [
        ("transient", "delivered too often", LetterClass.TRANSIENT),
        ("transient", "KeyError", LetterClass.TRANSIENT),
        ("transient", "TimeoutError", LetterClass.DOWNSTREAM),
        ("transient", "CircuitOpen", LetterClass.DOWNSTREAM),
        ("downstream", "anything", LetterClass.DOWNSTREAM),
        ("poison", "data: missing", LetterClass.POISON),
        ("job", "no kind of a message", LetterClass.POISON),
        ("unheard-of", "", LetterClass.POISON),
        (None, "", LetterClass.POISON),
    ],
)
def test_a_class_is_published_by_kind_and_error(
    kind: str | None, error: str, expected: LetterClass
) -> None:
    assert classify(kind, error, quarantined=False) is expected


def test_any_entry_in_quarantine_is_poison() -> None:
    assert classify("transient", "TimeoutError", quarantined=True) is LetterClass.POISON


@given(st.sampled_from([LetterClass.TRANSIENT, LetterClass.DOWNSTREAM]), st.floats(0, 1))
def test_waits_double_spread_out_and_end_after_three_replays(
    letter_class: LetterClass, draw: float
) -> None:
    waits = [
        find_replay_delay(letter_class, n, draw, has_expired=False) for n in range(MAX_REPLAYS + 1)
    ]
    assert waits.pop() is None
    assert all(wait is not None and wait <= CAP * draw for wait in waits)
    assert waits == sorted(waits, key=lambda wait: wait or CAP)


def test_poison_and_expired_commands_wait_for_an_operator() -> None:
    assert find_replay_delay(LetterClass.POISON, 0, 0.5, has_expired=False) is None
    assert find_replay_delay(LetterClass.TRANSIENT, 0, 0.5, has_expired=True) is None


def test_the_timer_replays_only_scheduled_dead_letters() -> None:
    assert not check_replay(build_dead_letter(letter_class=LetterClass.POISON), requested=False)
    assert check_replay(build_dead_letter(is_scheduled=True), requested=False)
    assert check_replay(build_dead_letter(letter_class=LetterClass.POISON), requested=True)


def test_no_dead_letter_is_replayed_that_is_resolved_or_was_replayed_three_times() -> None:
    with pytest.raises(DeadLetterResolved):
        check_replay(build_dead_letter(state=LetterState.RESOLVED), requested=True)
    with pytest.raises(ReplaysExhausted):
        check_replay(build_dead_letter(replays=MAX_REPLAYS, is_scheduled=True), requested=False)


def test_a_replay_waits_for_its_target_and_for_the_limit_per_minute() -> None:
    held = {"jobs.results": BlockReason.PAUSED}
    assert find_block_reason(build_dead_letter(), held, 50) is BlockReason.PAUSED
    assert find_block_reason(build_dead_letter(), {}, 0) is BlockReason.RATE_LIMITED
    assert find_block_reason(build_dead_letter(), {}, 1) is None


@given(FIELDS)
def test_any_fields_come_back_as_they_were(fields: dict[bytes, bytes]) -> None:
    packed = pack(fields)
    assert unpack(packed) == fields
    assert not any("\0" in text for pair in packed.items() for text in pair)


@given(FIELDS)
def test_any_entry_of_a_dead_letter_stream_is_read(fields: dict[bytes, bytes]) -> None:
    entry = read_entry(COMMANDS, "1-1", fields)
    assert entry.letter_class is LetterClass.POISON
    assert entry.entry_id == f"1-1@{COMMANDS.key}"


def test_an_envelope_names_its_run() -> None:
    job, fence = uuid4(), uuid4()
    body = b'{"job_id": "%s", "fence": "%s"}' % (str(job).encode(), str(fence).encode())
    entry = read_entry(BROWSER, "1-1", {b"data": body, b"dlq_entry_id": b"7-0"})
    assert entry.run == (job, fence)
    assert entry.entry_id == "7-0"
    assert read_entry(COMMANDS, "1-1", {b"data": body}).run is None


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"job_id": 1, "fence": "x"}', b"\xff"])
def test_an_envelope_that_names_no_run_is_a_dead_letter_all_the_same(data: bytes) -> None:
    assert read_entry(BROWSER, "1-1", {b"data": data}).run is None


def test_nothing_that_a_user_gave_is_shown() -> None:
    data = (
        '{"job_id": "1", "task_type": "echo", "priority": 5, "payload": {"password": "hunter2"},'
        ' "result": "hunter2", "fence": "hunter2", "last_error": "hunter2", "new_field": "hunter2"}'
    )
    shown = redact({"type": "SubmitJob", "dlq_error": "KeyError", "other": "hunter2", "data": data})
    assert "hunter2" not in str(shown)
    assert (shown["type"], shown["dlq_error"]) == ("SubmitJob", "KeyError")
    assert (shown["data"]["task_type"], shown["data"]["priority"]) == ("echo", 5)
    assert shown["data"]["payload"] == "(withheld)"


@pytest.mark.parametrize("data", ["hunter2", '["hunter2"]', "base64:aHVudGVyMg=="])
def test_a_body_that_is_no_object_is_withheld_whole(data: str) -> None:
    assert redact({"data": data}) == {"data": f"(withheld: {len(data)} characters)"}


def test_ids_that_are_none_are_left_out() -> None:
    entry = read_entry(COMMANDS, "1-1", {b"id": b"no id", b"type": b"<b>", b"ttl_ms": b"5000"})
    assert (entry.message_id, entry.message_type, entry.has_expired) == (None, None, True)
    known = UUID(int=7)
    assert read_entry(COMMANDS, "1-1", {b"id": str(known).encode()}).message_id == known
