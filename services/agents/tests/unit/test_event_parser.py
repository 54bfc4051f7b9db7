"""Server-sent events are read alike however their bytes arrive."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.agents.adapters.models.sse import MAX_EVENT, EventParser, EventTooLong, ServerEvent

STREAM = (
    '\ufeff: a comment\n\nevent: start\r\ndata: {"a": 1}\r\n\r\ndata:plain\rdata: second\r\r'
    "id: 7\nretry: 10\ndata: Grüße 🙂\n\nevent: only a name\n\ndata: the end\n\n"
    "data: never completed"
).encode()
EVENTS = [
    ServerEvent("start", '{"a": 1}'),
    ServerEvent("message", "plain\nsecond"),
    ServerEvent("message", "Grüße 🙂"),
    ServerEvent("message", "the end"),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_any_pieces_give_the_same_events(cuts: list[int]) -> None:
    parser = EventParser()
    edges = [0, *sorted(cuts), len(STREAM)]
    events = [event for start, end in pairwise(edges) for event in parser.feed(STREAM[start:end])]
    assert events == EVENTS


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 1_000, b"data: x\n" * 1_000])
def test_an_event_without_end_is_refused(piece: bytes) -> None:
    parser = EventParser()
    with pytest.raises(EventTooLong):
        _feed_often(parser, piece)


def _feed_often(parser: EventParser, piece: bytes) -> None:
    for _ in range(MAX_EVENT):
        list(parser.feed(piece))
