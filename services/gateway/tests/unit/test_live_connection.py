"""What a connection may hold, how long it may be silent, and each way in which it ends."""

from collections.abc import Collection
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.contracts import HEARTBEAT
from msaas.gateway.application.end_shut_streams import EndShutStreams
from msaas.gateway.application.live_connection import (
    BEAT_AFTER,
    CUT_AFTER,
    MOST_UNREAD,
    Connection,
    Ending,
)
from msaas.gateway.application.live_jobs import LiveJobs
from msaas.gateway.domain.rings import Frame, Place
from msaas.kernel import DependencyUnavailable


def frame(ms: int, size: int = 10) -> Frame:
    return Frame(Place(ms, 0), b"x" * size)


def hub_of(count: int = 0, ends: list[Ending] | None = None) -> LiveJobs:
    record = [] if ends is None else ends
    hub = LiveJobs(per_user=10_000, per_process=10_000, on_end=record.append)
    hub.begin("1000-0")
    for _ in range(count):
        hub.open(uuid4(), None)
    return hub


@given(st.lists(st.tuples(st.integers(1, 40_000), st.integers(0, 60_000)), max_size=200))
def test_whatever_comes_little_more_than_the_bound_is_left_to_us(
    steps: list[tuple[int, int]],
) -> None:
    """The reader takes some of it between frames; who is over the bound hears one last word."""
    hub, user, reader = hub_of(), uuid4(), Reader()
    connection, _ = hub.open(user, None)
    connection.begin(reader, b"hello")
    for number, (size, taken) in enumerate(steps):
        reader.unread = max(0, reader.unread - taken)
        hub.take_in(user, frame(1001 + number, size), user, number + 1)
        if reader.unread > MOST_UNREAD:
            assert connection.ending is Ending.LAGGED
            assert reader.unread < MOST_UNREAD + 40_000 + 1_000
            break
        assert not connection.is_over


class Reader:
    """Takes nothing by itself."""

    def __init__(self) -> None:
        self.unread = 0

    def write(self, data: bytes) -> None:
        self.unread += len(data)

    def close(self) -> None: ...

    def cut(self) -> None: ...


def test_a_silent_stream_beats_and_one_that_speaks_does_not(show: Any) -> None:
    connection = Connection(Place(1, 0))
    shown = show(connection)
    beats: list[int] = []
    for second in range(1, 3 * BEAT_AFTER):
        connection.attend(second)
        if second < BEAT_AFTER:
            connection.push(frame(second + 1))
        if shown.take() == HEARTBEAT:
            beats.append(second)
    assert beats == [2 * BEAT_AFTER - 1, 3 * BEAT_AFTER - 1]


def test_before_the_head_is_out_frames_wait_and_then_come_in_their_order(show: Any) -> None:
    connection = Connection(Place(1, 0), b"first;")
    connection.push(Frame(Place(2, 0), b"second;"))
    connection.attend(0)
    connection.end(Ending.DRAINED, b"bye")
    shown = show(connection)
    assert (shown.data, shown.ends) == (b"first;second;bye", ["closed"])


def test_a_reader_that_takes_nothing_is_cut_off(show: Any) -> None:
    connection = Connection(Place(1, 0))
    shown = show(connection)
    for _ in range(3):
        shown.unread = 1
        for second in range(CUT_AFTER - 1):
            connection.attend(second)
        shown.unread = 0
        connection.attend(0)
    assert shown.ends == []
    shown.unread = 1
    for second in range(CUT_AFTER):
        connection.attend(second)
    assert (connection.ending, shown.ends) == (Ending.STALLED, ["cut"])


def test_a_reader_that_lags_and_does_not_take_its_last_word_is_cut_off_too(show: Any) -> None:
    connection = Connection(Place(1, 0))
    shown = show(connection)
    shown.unread = 1
    connection.end(Ending.LAGGED, b"look")
    for second in range(CUT_AFTER):
        connection.attend(second)
    assert (connection.ending, shown.ends) == (Ending.LAGGED, ["closed", "cut"])


def test_a_stream_ends_with_its_token_and_the_first_reason_counts(show: Any) -> None:
    connection = Connection(Place(1, 0), ends_at=5.0)
    shown = show(connection)
    connection.attend(4.9)
    assert not connection.is_over
    connection.attend(5.0)
    connection.end(Ending.LEFT)
    connection.push(frame(2))
    assert (connection.ending, shown.ends) == (Ending.TOKEN_ENDED, ["closed"])
    assert shown.data == b""


def test_streams_opened_at_once_do_not_beat_at_once(listen: Any) -> None:
    hub, user = hub_of(), uuid4()
    opened = [listen(hub, user)[0] for _ in range(150)]
    beating: list[int] = []
    for second in range(BEAT_AFTER):
        hub.attend(second)
        beating.append(sum(one.take() == HEARTBEAT for one in opened))
    assert max(beating) < 60
    assert sum(beating) >= 150


def test_the_more_are_sent_away_the_wider_they_come_back() -> None:
    assert all(1_000 <= hub_of(10).retry_ms() <= 4_000 for _ in range(50))
    crowd = hub_of(4_000)
    times = [crowd.retry_ms() for _ in range(500)]
    assert max(times) <= 21_000
    assert sum(one > 4_000 for one in times) > 300


def test_when_a_process_drains_each_reader_is_told_when_to_come_back(show: Any) -> None:
    ends: list[Ending] = []
    hub, user = hub_of(ends=ends), uuid4()
    connection, _ = hub.open(user, None)
    shown = show(connection)
    hub.end_all()
    assert shown.data.startswith(b"retry: ")
    hub.close(user, connection)
    assert (ends, hub.open_count, hub.watching) == ([Ending.DRAINED], 0, [])


async def test_the_streams_of_a_closed_account_end_and_no_others() -> None:
    hub, gone, stays = hub_of(), uuid4(), uuid4()
    asked: list[Collection[UUID]] = []

    async def find_shut(user_ids: Collection[UUID]) -> Collection[UUID]:
        asked.append(user_ids)
        return [gone]

    end_shut = EndShutStreams(hub, find_shut)
    await end_shut()
    assert asked == []
    ours, theirs = hub.open(stays, None)[0], hub.open(gone, None)[0]
    await end_shut()
    assert (ours.ending, theirs.ending) == (None, Ending.ACCOUNT_SHUT)
    assert set(asked[0]) == {gone, stays}


async def test_while_nobody_can_be_asked_every_stream_goes_on() -> None:
    async def find_shut(user_ids: Collection[UUID]) -> Collection[UUID]:
        raise DependencyUnavailable(target="postgres")

    hub = hub_of(3)
    with pytest.raises(DependencyUnavailable):
        await EndShutStreams(hub, find_shut)()
    assert hub.open_count == 3
