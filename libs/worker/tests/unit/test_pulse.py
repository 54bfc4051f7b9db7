"""One task beats for all runs, and rests when there are none."""

from msaas.testing import FakeClock
from msaas.worker.pulse import BEAT_EVERY, Pulse


async def test_it_beats_while_anything_runs_and_rests_otherwise(fake_clock: FakeClock) -> None:
    beats: list[float] = []

    async def beat() -> None:
        beats.append(fake_clock.monotonic())

    pulse = Pulse(beat, fake_clock)
    with pulse.beating():
        await fake_clock.advance(BEAT_EVERY)
        with pulse.beating():
            await fake_clock.advance(BEAT_EVERY)
        await fake_clock.advance(BEAT_EVERY)
    await fake_clock.advance(3 * BEAT_EVERY)
    assert beats == [3, 6, 9]
    with pulse.beating():
        await fake_clock.advance(BEAT_EVERY)
    assert beats == [3, 6, 9, 21]
