"""Edge cases of the event hub: every reader that has missed something gets a resync."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.gateway.tests.unit.conftest import OpenStream, StartConnection

from msaas.gateway.application.job_event_hub import JobEventHub
from msaas.gateway.application.stream_connection import MAX_UNREAD_BYTES
from msaas.gateway.domain.replay_buffer import MAX_BYTES, Frame, ReplayBuffer, StreamPosition

JOB = uuid4()


def frame(ms: int, number: int = 0) -> Frame:
    return Frame(StreamPosition(ms, number), f"{ms}-{number};".encode())


@pytest.fixture
def resyncs() -> list[None]:
    return []


@pytest.fixture
def hub(resyncs: list[None]) -> JobEventHub:
    return JobEventHub(per_user=5, per_process=5, on_resync=lambda: resyncs.append(None))


def test_a_reader_that_connects_before_the_tailer_has_started_gets_a_resync(
    hub: JobEventHub, open_stream: OpenStream
) -> None:
    """After a deployment readers reconnect before the process knows the position of the log."""
    user = uuid4()
    back, _ = open_stream(hub, user, "900-0")
    listed, _ = open_stream(hub, user, hub.cursor)
    hub.start_at("1000-0")
    for connection in (back, listed):
        assert b"event: resync" in connection.take()
        assert connection.ends == ["closed"]


def test_what_happens_in_the_millisecond_of_a_resync_is_shown(
    hub: JobEventHub, open_stream: OpenStream
) -> None:
    user = uuid4()
    hub.start_at("1000-0")
    connection, _ = open_stream(hub, user, "999-0")
    hub.publish(user, frame(1000, 1), JOB, 1)
    assert connection.take().endswith(b"1000-1;")


def test_after_a_gap_a_reader_that_reconnects_at_the_last_position_gets_a_resync(
    hub: JobEventHub, open_stream: OpenStream
) -> None:
    user = uuid4()
    hub.start_at("1000-0")
    hub.publish(user, frame(1001), JOB, 1)
    hub.reset()
    reconnected, _ = open_stream(hub, user, "1001-0")
    assert b"event: resync" in reconnected.take()
    has_looked, _ = open_stream(hub, user, hub.cursor)
    hub.publish(user, frame(1002), JOB, 2)
    assert has_looked.take() == b"1002-0;"


def test_no_frame_follows_a_final_status(
    hub: JobEventHub, resyncs: list[None], open_stream: OpenStream
) -> None:
    user = uuid4()
    hub.start_at("1000-0")
    connection, _ = open_stream(hub, user, None)
    connection.write_buffer_size = MAX_UNREAD_BYTES + 1
    for number in range(10):
        hub.publish(user, frame(1001, number), uuid4(), 1)
    assert connection.take().count(b"event: ") == 1
    assert connection.ends == ["closed"]
    assert len(resyncs) == 1


def test_progress_that_overtakes_a_status_does_not_hide_it() -> None:
    buffer = ReplayBuffer(StreamPosition(0, 0))
    assert buffer.add(frame(1), JOB, 3, is_progress=True)
    assert buffer.add(frame(2), JOB, 2)
    assert not buffer.add(frame(3), JOB, 2)
    assert not buffer.add(frame(4), JOB, 3, is_progress=True)


@given(st.permutations(list(enumerate([False, False, True, True, False], start=1))))
def test_the_last_status_is_shown_last_in_any_order_of_frames(
    arrived: list[tuple[int, bool]],
) -> None:
    buffer = ReplayBuffer(StreamPosition(0, 0))
    shown = [
        (version, is_progress)
        for ms, (version, is_progress) in enumerate(arrived, start=1)
        if buffer.add(frame(ms), JOB, version, is_progress=is_progress)
    ]
    statuses = [version for version, is_progress in shown if not is_progress]
    assert statuses == sorted(statuses)
    assert statuses[-1] == 5
    assert not any(is_progress for _, is_progress in shown[shown.index((5, False)) :])


def test_a_reader_of_a_run_gets_what_is_kept_of_it_and_nothing_of_other_runs(
    hub: JobEventHub, start_connection: StartConnection
) -> None:
    user, run, other = uuid4(), uuid4(), uuid4()
    hub.start_at("1000-0")
    for number, about in enumerate((run, other, run), start=1):
        hub.append(user, frame(1000 + number)._replace(job_id=about))
    back, _ = hub.open(user, "1001-0", run_id=run)
    fresh, start = hub.open(user, None, run_id=run)
    assert start_connection(back).take() == b"1003-0;"
    sink = start_connection(fresh)
    assert (sink.take(), start) == (b"1001-0;1003-0;", "1000-0")
    hub.append(user, frame(1004)._replace(job_id=other))
    hub.append(user, frame(1005)._replace(job_id=run))
    assert sink.take() == b"1005-0;"
    unknown, _ = hub.open(uuid4(), None, run_id=run)
    assert start_connection(unknown).take() == b""


def test_a_buffer_is_bounded_in_bytes_and_keeps_the_newest_frame() -> None:
    buffer = ReplayBuffer(StreamPosition(0, 0))
    for number in range(5):
        buffer.append(Frame(StreamPosition(1, number), bytes(MAX_BYTES // 2)))
    assert buffer.floor == StreamPosition(1, 2)
    assert len(buffer.after(buffer.floor) or ()) == 2
    buffer.append(Frame(StreamPosition(2, 0), bytes(2 * MAX_BYTES)))
    assert len(buffer.after(buffer.floor) or ()) == 1
