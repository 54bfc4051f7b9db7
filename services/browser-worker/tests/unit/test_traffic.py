"""What a job asked of the network, in bounds."""

from hypothesis import given
from hypothesis import strategies as st

from msaas.browser_worker.guard import Refusal
from msaas.browser_worker.limits import Limits
from msaas.browser_worker.traffic import Direction, Traffic
from msaas.contracts import MAX_VISITED, VisitedPlace

ASKED = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 1_000), st.booleans()), max_size=200)


@given(ASKED)
def test_the_sum_holds_even_where_places_are_forgotten(
    asked: list[tuple[int, int, bool]],
) -> None:
    traffic = Traffic(Limits(places=10))
    for host, size, is_sent in asked:
        place = traffic.note_connection(f"h{host}.test", 80)
        traffic.count(place, "sent" if is_sent else "received", size)
    assert traffic.received + traffic.sent == sum(size for _, size, _ in asked)
    assert len(traffic.list_places()) <= 10


def test_a_verdict_names_the_refused_first_and_no_more_than_it_may() -> None:
    traffic = Traffic(Limits())
    for number in range(100):
        traffic.note_connection(f"h{number}.test", 443)
    traffic.note_refusal("Inside.Test.", 80, Refusal.BLOCKED)
    told = traffic.tell()
    assert len(told) == MAX_VISITED
    assert told[0] == VisitedPlace(host="inside.test", port=80, refusals=1, refusal="blocked")


def test_too_much_either_way_is_spent() -> None:
    ways: tuple[Direction, ...] = ("received", "sent")
    for direction in ways:
        traffic = Traffic(Limits(received=10, sent=10))
        place = traffic.note_connection("a.test", 80)
        traffic.count(place, direction, 10)
        assert not traffic.is_spent
        traffic.count(place, direction, 1)
        assert traffic.is_spent


def test_a_place_that_was_reached_after_all_is_no_longer_refused() -> None:
    traffic = Traffic(Limits())
    traffic.note_refusal("a.test", 80, Refusal.UNREACHABLE)
    assert traffic.find_refusal("a.test", 80) is Refusal.UNREACHABLE
    traffic.note_connection("a.test", 80)
    assert traffic.find_refusal("a.test", 80) is None
    assert traffic.find_refusal("b.test", 80) is None
