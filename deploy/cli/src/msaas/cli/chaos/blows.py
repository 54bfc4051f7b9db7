"""What is done to a fleet under load, each as data: a name, a blow, and what it may cost."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from msaas.cli.chaos.own_fleet import OwnFleet

PAUSE: Final = 15.0
"""Longer than a run's lease, so that what is paused is taken for lost."""

Blow = Callable[[OwnFleet], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`ends` names the part whose process is another one after the blow.

    `runs_again`: whether a run that had begun may begin once more.
    """

    name: str
    blow: Blow
    ends: str | None = None
    runs_again: bool = True
    is_short: bool = True


def _signal(wanted: signal.Signals, part: str) -> Blow:
    async def send(fleet: OwnFleet) -> None:
        fleet.send(part, wanted)

    return send


_kill = partial(_signal, signal.SIGKILL)


def _pause(part: str) -> Blow:
    async def pause(fleet: OwnFleet) -> None:
        fleet.send(part, signal.SIGSTOP)
        try:
            await asyncio.sleep(PAUSE)
        finally:
            fleet.send(part, signal.SIGCONT)

    return pause


async def _flush(fleet: OwnFleet) -> None:
    await fleet.flush_redis()


async def _replace_redis(fleet: OwnFleet) -> None:
    await fleet.flush_redis()
    fleet.kill("redis")


SCENARIOS: Final = (
    Scenario("kill -9 jobs", _kill("jobs"), "jobs"),
    Scenario("kill -9 jobs-worker", _kill("jobs-worker"), "jobs-worker"),
    Scenario("kill -9 gateway", _kill("gateway"), "gateway", runs_again=False),
    Scenario("restart redis", _signal(signal.SIGTERM, "redis"), "redis", runs_again=False),
    Scenario("flush redis", _flush),
    Scenario("redis comes back empty", _replace_redis, "redis"),
    Scenario("restart postgres", _signal(signal.SIGINT, "postgres"), "postgres"),
    Scenario("postgres crashes", _signal(signal.SIGQUIT, "postgres"), "postgres", is_short=False),
    *(
        Scenario(f"pause {part}", _pause(part), is_short=False)
        for part in ("jobs", "jobs-worker", "gateway", "redis", "postgres")
    ),
)
