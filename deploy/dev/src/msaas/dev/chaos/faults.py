"""The scenarios: each is a fault, the part that it restarts, and whether jobs may run again."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from msaas.dev.chaos.isolated_fleet import IsolatedFleet

PAUSE: Final = 15.0
"""Longer than the lease of a run, so that a paused worker is treated as lost."""

Fault = Callable[[IsolatedFleet], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`restarts` names the part that has a new process after the fault."""

    name: str
    fault: Fault
    restarts: str | None = None
    may_rerun_jobs: bool = True
    is_short: bool = True


def _send_signal(sent: signal.Signals, part: str) -> Fault:
    async def send(fleet: IsolatedFleet) -> None:
        fleet.send(part, sent)

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
