"""Rings and pages: what a reader has missed, and where a list goes on."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.gateway.application.errors import NoMoreStreams, TooManyStreams
from msaas.gateway.application.live_connection import MOST_UNREAD
from msaas.gateway.application.live_jobs import LiveJobs
from msaas.gateway.domain.fingerprints import fingerprint
from msaas.gateway.domain.pages import PageCursor
from msaas.gateway.domain.rings import KEPT_MS, MOST_FRAMES, Frame, Place, Ring

JOB = uuid4()


def frame(ms: int, number: int = 0) -> Frame:
    return Frame(Place(ms, number), f"{ms}-{number};".encode())


@given(st.lists(st.integers(1, 10**6), unique=True, max_size=60), st.integers(0, 10**6))
def test_a_reader_gets_all_that_came_after_its_place_or_is_told_to_look(
    times: list[int], place: int
) -> None:
    ring, written = Ring(Place(0, 0)), sorted(times)
    for version, ms in enumerate(written, start=1):
        ring.add(frame(ms), JOB, version)
    missed = ring.after(Place(place, 0))
    after = [ms for ms in written if ms > place]
    if missed is None:
        assert place < max(written) - KEPT_MS
    else:
        assert [one.place.ms for one in missed] == after


@given(st.lists(st.integers(1, 5), max_size=30))
def test_a_job_never_goes_back(versions: list[int]) -> None:
    ring = Ring(Place(0, 0))
    taken = [v for ms, v in enumerate(versions, start=1) if ring.add(frame(ms), JOB, v)]
    assert taken == sorted(set(taken))


def test_a_ring_is_bounded_and_knows_what_it_has_forgotten() -> None:
    ring = Ring(Place(0, 0))
    for number in range(MOST_FRAMES + 10):
        ring.add(frame(1, number), JOB, number + 1)
    assert ring.after(Place(1, 8)) is None
    missed = ring.after(Place(1, 9))
    assert missed is not None
    assert len(missed) == MOST_FRAMES


def live(per_user: int = 2, per_process: int = 3) -> LiveJobs:
    made = LiveJobs(per_user=per_user, per_process=per_process)
    made.begin("1000-0")
    return made


def test_before_its_beginning_a_process_knows_nothing(listen: Any) -> None:
    hub, user = live(), uuid4()
    connection, start = listen(hub, user, "999-0")
    assert b"event: resync" in connection.take()
    assert start == "1000-0"


def test_a_stream_goes_on_where_it_was_without_a_gap(listen: Any) -> None:
    hub, user = live(), uuid4()
    first, _ = listen(hub, user, None)
    hub.take_in(user, frame(1001), JOB, 1)
    assert first.take() == b"1001-0;"
    hub.close(user, first)
    hub.take_in(user, frame(1002), JOB, 2)
    second, _ = listen(hub, user, "1001-0")
    hub.take_in(user, frame(1003), JOB, 3)
    assert second.take() == b"1002-0;1003-0;"


def test_a_reader_that_is_ahead_of_this_process_sees_nothing_twice(listen: Any) -> None:
    hub, user = live(), uuid4()
    connection, _ = listen(hub, user, "1005-0")
    for ms in (1004, 1005, 1006):
        hub.take_in(user, frame(ms), JOB, ms)
    assert connection.take() == b"1006-0;"


def test_somebody_elses_jobs_are_not_shown(listen: Any) -> None:
    hub, mine, theirs = live(), uuid4(), uuid4()
    connection, _ = listen(hub, mine, None)
    hub.take_in(theirs, frame(1001), JOB, 1)
    assert connection.take() == b""


def test_a_slow_reader_is_told_to_look_and_let_go(listen: Any) -> None:
    hub, user = live(), uuid4()
    connection, _ = listen(hub, user, None)
    connection.unread = MOST_UNREAD + 1
    hub.take_in(user, frame(1001), JOB, 1)
    assert connection.ends == ["closed"]
    assert b"event: resync" in connection.take()


def test_after_a_gap_everybody_is_told_to_look(listen: Any) -> None:
    hub, user = live(), uuid4()
    connection, _ = listen(hub, user, None)
    hub.take_in(user, frame(1001), JOB, 1)
    hub.lose_track()
    assert b"event: resync" in connection.take()
    again, _ = listen(hub, user, "1000-0")
    assert b"event: resync" in again.take()


def test_streams_are_capped_for_a_user_and_for_the_process() -> None:
    hub, user = live(), uuid4()
    opened = [hub.open(user, None)[0] for _ in range(2)]
    with pytest.raises(TooManyStreams):
        hub.open(user, None)
    hub.open(uuid4(), None)
    with pytest.raises(NoMoreStreams):
        hub.open(uuid4(), None)
    hub.close(user, opened[0])
    hub.close(user, opened[0])
    assert hub.open_count == 2
    hub.open(uuid4(), None)


def test_users_who_went_away_are_forgotten(listen: Any) -> None:
    hub, user, other = live(), uuid4(), uuid4()
    hub.take_in(user, frame(1001), JOB, 1)
    hub.take_in(other, frame(1001 + 2 * KEPT_MS), JOB, 1)
    connection, _ = listen(hub, user, "1001-0")
    assert b"event: resync" in connection.take()


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis adds the zone
    st.uuids(),
)
def test_a_page_goes_on_where_it_ended(when: datetime, job_id: UUID) -> None:
    cursor = PageCursor(when, job_id)
    assert PageCursor.decode(cursor.encode()) == cursor


@given(st.text(max_size=40))
def test_what_was_never_handed_out_is_no_cursor(text: str) -> None:
    found = PageCursor.decode(text)
    assert found is None or found.encode() == text


def test_a_fingerprint_sees_content_and_not_spelling() -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    one = fingerprint(b"key", {"a": 1, "b": {"c": when}})
    assert one == fingerprint(b"key", {"b": {"c": when}, "a": 1})
    assert one != fingerprint(b"key", {"a": 1, "b": {"c": when + timedelta(seconds=1)}})
    assert one != fingerprint(b"other", {"a": 1, "b": {"c": when}})
