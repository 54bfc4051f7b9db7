"""Replay buffers and page cursors: which frames a reader has missed, and where a list continues."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.gateway.tests.unit.conftest import OpenStream, StartConnection

from msaas.gateway.application.errors import StreamCapacityReached, UserStreamLimitReached
from msaas.gateway.application.job_event_hub import JobEventHub
from msaas.gateway.application.stream_connection import MAX_UNREAD_BYTES
from msaas.gateway.domain.fingerprints import fingerprint
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.gateway.domain.replay_buffer import (
    MAX_FRAMES,
    RETENTION_MS,
    Frame,
    ReplayBuffer,
    StreamPosition,
)

JOB = uuid4()


def frame(ms: int, number: int = 0) -> Frame:
    return Frame(StreamPosition(ms, number), f"{ms}-{number};".encode())


@given(st.lists(st.integers(1, 10**6), unique=True, max_size=60), st.integers(0, 10**6))
def test_a_reader_gets_all_frames_after_its_position_or_a_resync(
    times: list[int], position: int
) -> None:
    buffer, written = ReplayBuffer(StreamPosition(0, 0)), sorted(times)
    for version, ms in enumerate(written, start=1):
        buffer.add(frame(ms), JOB, version)
    missed = buffer.after(StreamPosition(position, 0))
    after = [ms for ms in written if ms > position]
    if missed is None:
        assert position < max(written) - RETENTION_MS
    else:
        assert [frame_.position.ms for frame_ in missed] == after


@given(st.lists(st.integers(1, 5), max_size=30))
def test_a_job_never_goes_back(versions: list[int]) -> None:
    buffer = ReplayBuffer(StreamPosition(0, 0))
    taken = [v for ms, v in enumerate(versions, start=1) if buffer.add(frame(ms), JOB, v)]
    assert taken == sorted(set(taken))


def test_a_replay_buffer_is_bounded_and_reports_what_it_has_dropped() -> None:
    buffer = ReplayBuffer(StreamPosition(0, 0))
    for number in range(MAX_FRAMES + 10):
        buffer.add(frame(1, number), JOB, number + 1)
    assert buffer.after(StreamPosition(1, 8)) is None
    missed = buffer.after(StreamPosition(1, 9))
    assert missed is not None
    assert len(missed) == MAX_FRAMES


def create_hub(per_user: int = 2, per_process: int = 3) -> JobEventHub:
    made = JobEventHub(per_user=per_user, per_process=per_process)
    made.start_at("1000-0")
    return made


def test_before_its_beginning_a_process_knows_nothing(open_stream: OpenStream) -> None:
    hub, user = create_hub(), uuid4()
    connection, start = open_stream(hub, user, "999-0")
    assert b"event: resync" in connection.take()
    assert start == "1000-0"


def test_a_stream_resumes_without_a_gap(
    open_stream: OpenStream, start_connection: StartConnection
) -> None:
    hub, user = create_hub(), uuid4()
    first, _ = hub.open(user, None)
    sink = start_connection(first)
    hub.publish(user, frame(1001), JOB, 1)
    assert sink.take() == b"1001-0;"
    hub.close(user, first)
    hub.publish(user, frame(1002), JOB, 2)
    second, _ = open_stream(hub, user, "1001-0")
    hub.publish(user, frame(1003), JOB, 3)
    assert second.take() == b"1002-0;1003-0;"


def test_a_reader_that_is_ahead_of_this_process_sees_nothing_twice(open_stream: OpenStream) -> None:
    hub, user = create_hub(), uuid4()
    connection, _ = open_stream(hub, user, "1005-0")
    for ms in (1004, 1005, 1006):
        hub.publish(user, frame(ms), JOB, ms)
    assert connection.take() == b"1006-0;"


def test_other_users_jobs_are_not_shown(open_stream: OpenStream) -> None:
    hub, mine, theirs = create_hub(), uuid4(), uuid4()
    connection, _ = open_stream(hub, mine, None)
    hub.publish(theirs, frame(1001), JOB, 1)
    assert connection.take() == b""


def test_a_slow_reader_gets_a_resync_and_is_disconnected(open_stream: OpenStream) -> None:
    hub, user = create_hub(), uuid4()
    connection, _ = open_stream(hub, user, None)
    connection.write_buffer_size = MAX_UNREAD_BYTES + 1
    hub.publish(user, frame(1001), JOB, 1)
    assert connection.ends == ["closed"]
    assert b"event: resync" in connection.take()


def test_after_a_gap_every_reader_gets_a_resync(open_stream: OpenStream) -> None:
    hub, user = create_hub(), uuid4()
    connection, _ = open_stream(hub, user, None)
    hub.publish(user, frame(1001), JOB, 1)
    hub.reset()
    assert b"event: resync" in connection.take()
    again, _ = open_stream(hub, user, "1000-0")
    assert b"event: resync" in again.take()


def test_streams_are_capped_for_a_user_and_for_the_process() -> None:
    hub, user = create_hub(), uuid4()
    opened = [hub.open(user, None)[0] for _ in range(2)]
    with pytest.raises(UserStreamLimitReached):
        hub.open(user, None)
    hub.open(uuid4(), None)
    with pytest.raises(StreamCapacityReached):
        hub.open(uuid4(), None)
    hub.close(user, opened[0])
    hub.close(user, opened[0])
    assert hub.open_count == 2
    hub.open(uuid4(), None)


def test_the_buffers_of_disconnected_users_are_removed(open_stream: OpenStream) -> None:
    hub, user, other = create_hub(), uuid4(), uuid4()
    hub.publish(user, frame(1001), JOB, 1)
    hub.publish(other, frame(1001 + 2 * RETENTION_MS), JOB, 1)
    connection, _ = open_stream(hub, user, "1001-0")
    assert b"event: resync" in connection.take()


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis adds the zone
    st.uuids(),
)
def test_a_page_cursor_survives_encoding(when: datetime, job_id: UUID) -> None:
    cursor = PageCursor(when, job_id)
    assert PageCursor.decode(cursor.encode()) == cursor


@given(st.text(max_size=40))
def test_a_cursor_that_was_never_issued_is_invalid(text: str) -> None:
    found = PageCursor.decode(text)
    assert found is None or found.encode() == text


def test_a_fingerprint_sees_content_and_not_spelling() -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    one = fingerprint(b"key", {"a": 1, "b": {"c": when}})
    assert one == fingerprint(b"key", {"b": {"c": when}, "a": 1})
    assert one != fingerprint(b"key", {"a": 1, "b": {"c": when + timedelta(seconds=1)}})
    assert one != fingerprint(b"other", {"a": 1, "b": {"c": when}})
