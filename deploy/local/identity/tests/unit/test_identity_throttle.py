"""Tries per address: so many at once, so many a minute, and memory that does not grow."""

import pytest

from msaas.identity.domain.errors import OverRequestRateLimit
from msaas.identity.entrypoints.http.throttle import MAX_ADDRESSES, Throttle
from msaas.testing import FakeClock


def tries(throttle: Throttle, address: str, at_most: int = 100) -> int:
    for number in range(at_most):
        try:
            throttle.take(address)
        except OverRequestRateLimit:
            return number
    return at_most


async def test_ten_a_minute_and_no_more(fake_clock: FakeClock) -> None:
    throttle = Throttle(10, fake_clock)
    assert tries(throttle, "192.0.2.1") == 10
    await fake_clock.advance(6)
    assert tries(throttle, "192.0.2.1") == 1
    await fake_clock.advance(600)
    assert tries(throttle, "192.0.2.1") == 10


async def test_the_error_says_when_to_retry(fake_clock: FakeClock) -> None:
    throttle = Throttle(10, fake_clock)
    tries(throttle, "192.0.2.1")
    with pytest.raises(OverRequestRateLimit) as refused:
        throttle.take("192.0.2.1")
    assert refused.value.context["retry_after"] == pytest.approx(6)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("unknown", "192.0.2.1", False),
    ],
)
def test_an_ipv6_network_counts_as_one(
    fake_clock: FakeClock, one: str, other: str, *, same: bool
) -> None:
    throttle = Throttle(10, fake_clock)
    tries(throttle, one)
    assert tries(throttle, other) == (0 if same else 10)


def test_memory_is_bounded(fake_clock: FakeClock) -> None:
    throttle = Throttle(10, fake_clock)
    tries(throttle, "192.0.2.1")
    tries(throttle, "192.0.2.2")
    for number in range(MAX_ADDRESSES - 1):
        throttle.take(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert tries(throttle, "192.0.2.2") == 0
    # The least recently seen address is dropped, and may try again.
    assert tries(throttle, "192.0.2.1") == 10
