"""Holds what the system's clock promises."""

from datetime import UTC

from msaas.kernel import SystemClock


async def test_the_system_clock_is_aware_never_is_released_and_sleeps() -> None:
    clock = SystemClock()
    before, started = clock.now(), clock.monotonic()
    await clock.sleep(0.001)
    assert before.tzinfo is UTC
    assert clock.now() > before
    assert clock.monotonic() > started
