"""The traffic of a job, within limits."""

from hypothesis import given
from hypothesis import strategies as st

from msaas.browser_worker.egress.policy import Refusal
from msaas.browser_worker.egress.traffic import TrafficDirection, TrafficLog
from msaas.browser_worker.limits import Limits
from msaas.contracts import MAX_VISITED_HOSTS, VisitedPlace

REQUESTS = st.lists(
    st.tuples(st.integers(0, 80), st.integers(0, 1_000), st.booleans()), max_size=200
)


@given(REQUESTS)
def test_the_sums_include_endpoints_that_were_evicted(
    requests: list[tuple[int, int, bool]],
) -> None:
    traffic = TrafficLog(Limits(tracked_endpoints=10))
    for host, size, is_sent in requests:
        endpoint = traffic.record_connection(f"h{host}.test", 80)
        traffic.record_bytes(endpoint, "sent" if is_sent else "received", size)
    assert traffic.received + traffic.sent == sum(size for _, size, _ in requests)
    assert len(traffic.list_endpoints()) <= 10


def test_refused_endpoints_are_listed_first_within_the_maximum() -> None:
    traffic = TrafficLog(Limits())
    for number in range(100):
        traffic.record_connection(f"h{number}.test", 443)
    traffic.record_refusal("Inside.Test.", 80, Refusal.BLOCKED)
    reported = traffic.list_visited_places()
    assert len(reported) == MAX_VISITED_HOSTS
    assert reported[0] == VisitedPlace(host="inside.test", port=80, refusals=1, refusal="blocked")


def test_traffic_over_the_limit_in_either_direction_is_detected() -> None:
    ways: tuple[TrafficDirection, ...] = ("received", "sent")
    for direction in ways:
        traffic = TrafficLog(Limits(received=10, sent=10))
        endpoint = traffic.record_connection("a.test", 80)
        traffic.record_bytes(endpoint, direction, 10)
        assert not traffic.is_over_limit
        traffic.record_bytes(endpoint, direction, 1)
        assert traffic.is_over_limit


def test_an_endpoint_that_was_reached_later_is_not_refused() -> None:
    traffic = TrafficLog(Limits())
    traffic.record_refusal("a.test", 80, Refusal.UNREACHABLE)
    assert traffic.find_refusal("a.test", 80) is Refusal.UNREACHABLE
    traffic.record_connection("a.test", 80)
    assert traffic.find_refusal("a.test", 80) is None
    assert traffic.find_refusal("b.test", 80) is None
