"""What is done to a fleet under load, each as data: a name, a blow, and what it may cost."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from msaas.dev.chaos.isolated_fleet import IsolatedFleet

PAUSE: Final = 15.0
"""Longer than a run's lease, so that what is paused is taken for lost."""

Fault = Callable[[IsolatedFleet], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`ends` names the part whose process is another one after the blow.

    `runs_again`: whether a run that had begun may begin once more.
    """

    name: str
    fault: Fault
    restarts: str | None = None
    may_rerun_jobs: bool = True
    is_short: bool = True


def _send_signal(wanted: signal.Signals, part: str) -> Fault:
    async def send(fleet: IsolatedFleet) -> None:
        fleet.send(part, wanted)

    return send


_kill = partial(_send_signal, signal.SIGKILL)


def _pause(part: str) -> Fault:
    async def pause(fleet: IsolatedFleet) -> None:
        fleet.send(part, signal.SIGSTOP)
        try:
            await asyncio.sleep(PAUSE)
        finally:
            fleet.send(part, signal.SIGCONT)

    return pause


async def _flush_redis(fleet: IsolatedFleet) -> None:
    await fleet.flush_redis()


async def _flush_and_kill_redis(fleet: IsolatedFleet) -> None:
    await fleet.flush_redis()
    fleet.kill("redis")


SCENARIOS: Final = (
    Scenario("kill -9 jobs", _kill("jobs"), "jobs"),
    Scenario("kill -9 jobs-worker", _kill("jobs-worker"), "jobs-worker"),
    Scenario("kill -9 gateway", _kill("gateway"), "gateway", may_rerun_jobs=False),
    Scenario("restart redis", _send_signal(signal.SIGTERM, "redis"), "redis", may_rerun_jobs=False),
    Scenario("flush redis", _flush_redis),
    Scenario("redis comes back empty", _flush_and_kill_redis, "redis"),
    Scenario("restart postgres", _send_signal(signal.SIGINT, "postgres"), "postgres"),
    Scenario(
        "postgres crashes", _send_signal(signal.SIGQUIT, "postgres"), "postgres", is_short=False
    ),
    *(
        Scenario(f"pause {part}", _pause(part), is_short=False)
        for part in ("jobs", "jobs-worker", "gateway", "redis", "postgres")
    ),
)
