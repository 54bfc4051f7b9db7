"""The scenarios: each is a fault, the part that it restarts, and whether it may lose runs."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from msaas.dev.chaos.isolated_fleet import IsolatedFleet

PAUSE: Final = 15.0
"""Longer than the lease of a run and than the time after which a peer reclaims entries."""

Fault = Callable[[IsolatedFleet], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`restarts` names the part that has a new process after the fault.

    Runs are lost with their worker, or with the messages that Redis had; `may_lose_runs` is off
    where both stay. With `changes_plans`, customers change their subscriptions meanwhile.
    """

    name: str
    fault: Fault
    restarts: str | None = None
    may_lose_runs: bool = False
    is_short: bool = True
    changes_plans: bool = False


def _send_signal(sent: signal.Signals, *parts: str) -> Fault:
    async def send(fleet: IsolatedFleet) -> None:
        for part in parts:
            fleet.send(part, sent)

    return send


_kill = partial(_send_signal, signal.SIGKILL)


def _pause(*parts: str) -> Fault:
    async def pause(fleet: IsolatedFleet) -> None:
        await _send_signal(signal.SIGSTOP, *parts)(fleet)
        try:
            await asyncio.sleep(PAUSE)
        finally:
            await _send_signal(signal.SIGCONT, *parts)(fleet)

    return pause


async def _flush_redis(fleet: IsolatedFleet) -> None:
    await fleet.flush_redis()


async def _flush_and_kill_redis(fleet: IsolatedFleet) -> None:
    await fleet.flush_redis()
    fleet.kill("redis")


SCENARIOS: Final = (
    Scenario("kill -9 jobs", _kill("jobs"), "jobs"),
    Scenario("kill -9 all jobs", _kill("jobs", "jobs-2"), "jobs", is_short=False),
    Scenario("kill -9 jobs-worker", _kill("jobs-worker"), "jobs-worker", may_lose_runs=True),
    Scenario(
        "kill -9 browser-worker",
        _kill("browser-worker"),
        "browser-worker",
        may_lose_runs=True,
        is_short=False,
    ),
    Scenario("kill -9 gateway", _kill("gateway"), "gateway"),
    Scenario("restart redis", _send_signal(signal.SIGTERM, "redis"), "redis"),
    Scenario("flush redis", _flush_redis, may_lose_runs=True),
    Scenario("redis comes back empty", _flush_and_kill_redis, "redis", may_lose_runs=True),
    Scenario("restart postgres", _send_signal(signal.SIGINT, "postgres"), "postgres"),
    Scenario(
        "postgres crashes", _send_signal(signal.SIGQUIT, "postgres"), "postgres", is_short=False
    ),
    Scenario(
        "kill -9 billing, stripe",
        _kill("billing", "billing-cron", "stripe"),
        "billing",
        changes_plans=True,
    ),
    Scenario(
        "kill -9 billing alone", _kill("billing"), "billing", is_short=False, changes_plans=True
    ),
    Scenario("kill -9 stripe alone", _kill("stripe"), "stripe", is_short=False, changes_plans=True),
    Scenario("pause billing and stripe", _pause("billing", "stripe"), changes_plans=True),
    Scenario("pause stripe", _pause("stripe"), is_short=False, changes_plans=True),
    Scenario("pause billing-cron", _pause("billing-cron"), is_short=False),
    Scenario("pause jobs", _pause("jobs")),
    Scenario("pause browser-worker", _pause("browser-worker"), may_lose_runs=True),
    Scenario("pause jobs-worker", _pause("jobs-worker"), may_lose_runs=True, is_short=False),
    *(
        Scenario(f"pause {part}", _pause(part), is_short=False)
        for part in ("gateway", "redis", "postgres")
    ),
)
