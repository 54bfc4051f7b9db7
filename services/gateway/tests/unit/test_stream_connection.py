"""The limits of a connection: its buffer, its idle time, and each way in which it ends."""

from collections.abc import Collection
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.gateway.tests.unit.conftest import OpenStream, StartConnection

from msaas.contracts import HEARTBEAT
from msaas.gateway.application.end_closed_account_streams import EndClosedAccountStreams
from msaas.gateway.application.job_event_hub import JobEventHub
from msaas.gateway.application.stream_connection import (
    HEARTBEAT_AFTER_SECONDS,
    MAX_UNREAD_BYTES,
    STALL_TIMEOUT_SECONDS,
    EndReason,
    StreamConnection,
)
from msaas.gateway.domain.replay_buffer import Frame, StreamPosition
from msaas.kernel import DependencyUnavailable


def frame(ms: int, size: int = 10) -> Frame:
    return Frame(StreamPosition(ms, 0), b"x" * size)


def create_hub(count: int = 0, ends: list[EndReason] | None = None) -> JobEventHub:
    record = [] if ends is None else ends
    hub = JobEventHub(per_user=10_000, per_process=10_000, on_end=record.append)
    hub.start_at("1000-0")
    for _ in range(count):
        hub.open(uuid4(), None)
    return hub


@given(st.lists(st.tuples(st.integers(1, 40_000), st.integers(0, 60_000)), max_size=200))
def test_a_connection_buffers_little_more_than_the_limit(
    steps: list[tuple[int, int]],
) -> None:
    """The reader reads some bytes between frames; one over the limit gets a final frame."""
    hub, user, reader = create_hub(), uuid4(), CountingSink()
    connection, _ = hub.open(user, None)
    connection.start(reader, b"hello")
    for number, (size, taken) in enumerate(steps):
        reader.write_buffer_size = max(0, reader.write_buffer_size - taken)
        hub.publish(user, frame(1001 + number, size), user, number + 1)
        if reader.write_buffer_size > MAX_UNREAD_BYTES:
            assert connection.end_reason is EndReason.LAGGED
            assert reader.write_buffer_size < MAX_UNREAD_BYTES + 40_000 + 1_000
            break
        assert not connection.has_ended


class CountingSink:
    """Reads nothing by itself."""

    def __init__(self) -> None:
        self.write_buffer_size = 0

    def write(self, data: bytes) -> None:
        self.write_buffer_size += len(data)

    def close(self) -> None: ...

    def abort(self) -> None: ...


def test_an_idle_stream_sends_heartbeats_and_an_active_one_does_not(
    start_connection: StartConnection,
) -> None:
    connection = StreamConnection(StreamPosition(1, 0))
    shown = start_connection(connection)
    heartbeats: list[int] = []
    for second in range(1, 3 * HEARTBEAT_AFTER_SECONDS):
        connection.tick(second)
        if second < HEARTBEAT_AFTER_SECONDS:
            connection.push(frame(second + 1))
        if shown.take() == HEARTBEAT:
            heartbeats.append(second)
    assert heartbeats == [2 * HEARTBEAT_AFTER_SECONDS - 1, 3 * HEARTBEAT_AFTER_SECONDS - 1]


def test_before_the_head_is_out_frames_wait_and_then_come_in_their_order(
    start_connection: StartConnection,
) -> None:
    connection = StreamConnection(StreamPosition(1, 0), b"first;")
    connection.push(Frame(StreamPosition(2, 0), b"second;"))
    connection.tick(0)
    connection.end(EndReason.DRAINED, b"bye")
    shown = start_connection(connection)
    assert (shown.data, shown.ends) == (b"first;second;bye", ["closed"])


def test_a_reader_that_takes_nothing_is_cut_off(start_connection: StartConnection) -> None:
    connection = StreamConnection(StreamPosition(1, 0))
    shown = start_connection(connection)
    for _ in range(3):
        shown.write_buffer_size = 1
        for second in range(STALL_TIMEOUT_SECONDS - 1):
            connection.tick(second)
        shown.write_buffer_size = 0
        connection.tick(0)
    assert shown.ends == []
    shown.write_buffer_size = 1
    for second in range(STALL_TIMEOUT_SECONDS):
        connection.tick(second)
    assert (connection.end_reason, shown.ends) == (EndReason.STALLED, ["aborted"])


def test_a_lagging_reader_that_does_not_read_its_resync_is_disconnected_too(
    start_connection: StartConnection,
) -> None:
    connection = StreamConnection(StreamPosition(1, 0))
    shown = start_connection(connection)
    shown.write_buffer_size = 1
    connection.end(EndReason.LAGGED, b"look")
    for second in range(STALL_TIMEOUT_SECONDS):
        connection.tick(second)
    assert (connection.end_reason, shown.ends) == (EndReason.LAGGED, ["closed", "aborted"])


def test_a_stream_ends_with_its_token_and_the_first_reason_counts(
    start_connection: StartConnection,
) -> None:
    connection = StreamConnection(StreamPosition(1, 0), ends_at=5.0)
    shown = start_connection(connection)
    connection.tick(4.9)
    assert not connection.has_ended
    connection.tick(5.0)
    connection.end(EndReason.CLIENT_LEFT)
    connection.push(frame(2))
    assert (connection.end_reason, shown.ends) == (EndReason.TOKEN_EXPIRED, ["closed"])
    assert shown.data == b""


def test_streams_opened_together_do_not_send_heartbeats_together(open_stream: OpenStream) -> None:
    hub, user = create_hub(), uuid4()
    opened = [open_stream(hub, user)[0] for _ in range(150)]
    heartbeat_counts: list[int] = []
    for second in range(HEARTBEAT_AFTER_SECONDS):
        hub.tick(second)
        heartbeat_counts.append(sum(connection.take() == HEARTBEAT for connection in opened))
    assert max(heartbeat_counts) < 60
    assert sum(heartbeat_counts) >= 150


def test_reconnect_delays_spread_with_the_number_of_readers() -> None:
    assert all(1_000 <= create_hub(10).retry_ms() <= 4_000 for _ in range(50))
    crowd = create_hub(4_000)
    times = [crowd.retry_ms() for _ in range(500)]
    assert max(times) <= 21_000
    assert sum(delay > 4_000 for delay in times) > 300


def test_a_draining_process_sends_each_reader_a_reconnect_delay(
    start_connection: StartConnection,
) -> None:
    ends: list[EndReason] = []
    hub, user = create_hub(ends=ends), uuid4()
    connection, _ = hub.open(user, None)
    shown = start_connection(connection)
    hub.end_all()
    assert shown.data.startswith(b"retry: ")
    hub.close(user, connection)
    assert (ends, hub.open_count, hub.connected_users) == ([EndReason.DRAINED], 0, [])


async def test_the_streams_of_a_closed_account_end_and_no_others() -> None:
    hub, gone, stays = create_hub(), uuid4(), uuid4()
    requested: list[Collection[UUID]] = []

    async def find_closed_accounts(user_ids: Collection[UUID]) -> Collection[UUID]:
        requested.append(user_ids)
        return [gone]

    end_closed = EndClosedAccountStreams([hub], find_closed_accounts)
    await end_closed()
    assert requested == []
    ours, theirs = hub.open(stays, None)[0], hub.open(gone, None)[0]
    await end_closed()
    assert (ours.end_reason, theirs.end_reason) == (None, EndReason.ACCOUNT_CLOSED)
    assert set(requested[0]) == {gone, stays}


async def test_every_stream_continues_while_the_database_is_unavailable() -> None:
    async def find_closed_accounts(user_ids: Collection[UUID]) -> Collection[UUID]:
        raise DependencyUnavailable(target="postgres")

    hub = create_hub(3)
    with pytest.raises(DependencyUnavailable):
        await EndClosedAccountStreams([hub], find_closed_accounts)()
    assert hub.open_count == 3
