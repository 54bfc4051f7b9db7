"""One task sends the heartbeats of all runs, and none while there are no runs."""

from msaas.testing import FakeClock
from msaas.worker.heartbeat_loop import HEARTBEAT_INTERVAL, HeartbeatLoop


async def test_it_sends_heartbeats_only_while_a_run_is_active(fake_clock: FakeClock) -> None:
    heartbeats: list[float] = []

    async def send_heartbeats() -> None:
        heartbeats.append(fake_clock.monotonic())

    loop = HeartbeatLoop(send_heartbeats, fake_clock)
    with loop.run_active():
        await fake_clock.advance(HEARTBEAT_INTERVAL)
        with loop.run_active():
            await fake_clock.advance(HEARTBEAT_INTERVAL)
        await fake_clock.advance(HEARTBEAT_INTERVAL)
    await fake_clock.advance(3 * HEARTBEAT_INTERVAL)
    assert heartbeats == [3, 6, 9]
    with loop.run_active():
        await fake_clock.advance(HEARTBEAT_INTERVAL)
    assert heartbeats == [3, 6, 9, 21]
