"""What a connection may hold, how long it may be silent, and each way in which it ends."""

from collections.abc import Collection
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from msaas.contracts import HEARTBEAT
from msaas.gateway.application.attend_streams import StreamAttendant
from msaas.gateway.application.live_connection import (
    BEAT_AFTER,
    CUT_AFTER,
    MOST_UNREAD,
    MOST_UNREAD_BYTES,
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


@given(st.lists(st.integers(1, 40_000), max_size=400), st.sets(st.integers(0, 400)))
def test_whatever_comes_a_reader_never_holds_more_than_the_bound(
    sizes: list[int], takes: set[int]
) -> None:
    hub, user = hub_of(), uuid4()
    connection, _ = hub.open(user, None)
    held = count = 0
    for number, size in enumerate(sizes):
        if number in takes:
            connection.take()
            held = count = 0
        hub.take_in(user, frame(1001 + number, size), user, number + 1)
        held, count = held + size, count + 1
        if held > MOST_UNREAD_BYTES or count > MOST_UNREAD:
            assert connection.ending is Ending.LAGGED
            assert connection.take().startswith(b"retry: ")
            return
        assert not connection.is_over


def test_a_silent_stream_beats_and_one_that_speaks_does_not() -> None:
    connection = Connection(Place(1, 0))
    beats: list[int] = []
    for second in range(1, 3 * BEAT_AFTER):
        connection.attend(second)
        if second < BEAT_AFTER:
            connection.push(frame(second + 1))
        if connection.has_news and connection.take() == HEARTBEAT:
            beats.append(second)
    assert beats == [2 * BEAT_AFTER - 1]


def test_a_reader_that_takes_nothing_is_cut_off() -> None:
    cuts: list[None] = []
    connection = Connection(Place(1, 0), cut=lambda: cuts.append(None))
    for second in range(BEAT_AFTER + CUT_AFTER - 1):
        connection.attend(second)
    assert (connection.ending, cuts) == (None, [])
    connection.attend(0)
    assert (connection.ending, cuts) == (Ending.STALLED, [None])


def test_a_reader_that_lags_and_does_not_take_its_last_word_is_cut_off_too() -> None:
    cuts: list[None] = []
    connection = Connection(Place(1, 0), cut=lambda: cuts.append(None))
    connection.end(Ending.LAGGED, b"look")
    for second in range(CUT_AFTER):
        connection.attend(second)
    assert (connection.ending, cuts) == (Ending.LAGGED, [None])


def test_a_stream_ends_with_its_token_and_the_first_reason_counts() -> None:
    connection = Connection(Place(1, 0), ends_at=5.0)
    connection.attend(4.9)
    assert not connection.is_over
    connection.attend(5.0)
    connection.end(Ending.LEFT)
    assert connection.ending is Ending.TOKEN_ENDED
    connection.push(frame(2))
    assert connection.take() == b""


def test_streams_opened_at_once_do_not_beat_at_once() -> None:
    hub, user = hub_of(), uuid4()
    opened = [hub.open(user, None)[0] for _ in range(150)]
    hub.attend(0)
    beating = [sum(one.has_news for one in opened)]
    for second in range(1, BEAT_AFTER):
        for one in opened:
            one.take() if one.has_news else None
        hub.attend(second)
        beating.append(sum(one.has_news for one in opened))
    assert max(beating) < 60
    assert sum(beating) >= 100


def test_the_more_are_sent_away_the_wider_they_come_back() -> None:
    assert all(1_000 <= hub_of(10).retry_ms() <= 4_000 for _ in range(50))
    crowd = hub_of(4_000)
    times = [crowd.retry_ms() for _ in range(500)]
    assert max(times) <= 21_000
    assert sum(one > 4_000 for one in times) > 300


def test_when_a_process_drains_each_reader_is_told_when_to_come_back() -> None:
    ends: list[Ending] = []
    hub, user = hub_of(ends=ends), uuid4()
    connection, _ = hub.open(user, None)
    hub.end_all()
    assert connection.take().startswith(b"retry: ")
    hub.close(user, connection)
    assert (ends, hub.open_count, hub.watching) == ([Ending.DRAINED], 0, [])


async def test_the_streams_of_a_closed_account_end_and_no_others() -> None:
    hub, gone, stays = hub_of(), uuid4(), uuid4()
    asked: list[Collection[UUID]] = []

    async def find_shut(user_ids: Collection[UUID]) -> Collection[UUID]:
        asked.append(user_ids)
        return [gone]

    attendant = StreamAttendant(hub, find_shut)
    await attendant.end_shut()
    assert asked == []
    ours, theirs = hub.open(stays, None)[0], hub.open(gone, None)[0]
    await attendant.end_shut()
    assert (ours.ending, theirs.ending) == (None, Ending.ACCOUNT_SHUT)
    assert set(asked[0]) == {gone, stays}


async def test_while_nobody_can_be_asked_every_stream_goes_on() -> None:
    async def find_shut(user_ids: Collection[UUID]) -> Collection[UUID]:
        raise DependencyUnavailable(target="postgres")

    hub = hub_of(3)
    await StreamAttendant(hub, find_shut).end_shut()
    assert hub.open_count == 3
