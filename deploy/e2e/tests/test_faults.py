"""Processes end, Redis forgets, Postgres goes away: every job ends once and is charged once."""

import asyncio
import signal
from typing import Any

import pytest

from msaas.dev.chaos import SCENARIOS, SHORT
from msaas.dev.chaos.command import run_scenarios
from msaas.testing import wait_until

LONG = 120.0


@pytest.mark.timeout(600)
async def test_a_fleet_under_load_loses_nothing_and_does_nothing_twice(
    fleet: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Play what `./msaas chaos --short` plays, each scenario in a round of its own."""
    scenarios = [scenario for scenario in SCENARIOS if scenario.is_short]
    sound = await run_scenarios(fleet, scenarios, SHORT)
    said = capsys.readouterr().out
    assert sound, said
    assert all(f"✓ {scenario.name}" in said for scenario in scenarios)
    assert said.endswith("nothing lost, nothing twice\n")


async def submit_slow(api: Any, count: int) -> list[str]:
    params = {"message": "slow", "delay_ms": 8_000}
    return [(await api.submit("echo", params))["id"] for _ in range(count)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", ["jobs", "postgres"])
async def test_work_that_ends_while_its_owner_is_away_is_not_run_again(
    fleet: Any, sign_in: Any, audit: Any, part: str
) -> None:
    api = await sign_in()
    ids = await submit_slow(api, count=20)

    async def running() -> bool:
        [row] = await fleet.fetch(
            "SELECT count(*) FROM jobs.jobs WHERE id = ANY($1::uuid[]) AND status = 'RUNNING'", ids
        )
        return row[0] == len(ids)

    await wait_until(running, timeout=60)
    fleet.send(part, signal.SIGSTOP)
    await asyncio.sleep(25)  # longer than the run and its lease: what is waited for is time itself
    fleet.send(part, signal.SIGCONT)
    await wait_until(fleet.has_settled, timeout=LONG)
    await audit()
    rows = await fleet.fetch(
        "SELECT count(*) AS runs FROM jobs.job_attempts WHERE job_id = ANY($1::uuid[])", ids
    )
    assert rows[0]["runs"] == len(ids)


@pytest.mark.timeout(300)
async def test_a_browser_worker_killed_in_the_middle_costs_no_job(
    fleet: Any, sign_in: Any, audit: Any
) -> None:
    api = await sign_in()
    slow = {"url": f"{fleet.running.site_url}/slow?ms=3000"}
    ids = [(await api.submit("navigate_and_extract_text", slow))["id"] for _ in range(4)]

    async def running() -> bool:
        [row] = await fleet.fetch(
            "SELECT count(*) FROM jobs.jobs WHERE id = ANY($1::uuid[]) AND status = 'RUNNING'", ids
        )
        return row[0] > 0

    await wait_until(running, timeout=60)
    fleet.kill("browser-worker")
    await wait_until(fleet.has_settled, timeout=LONG)
    await audit()
    rows = await fleet.fetch("SELECT status FROM jobs.jobs WHERE id = ANY($1::uuid[])", ids)
    assert {row["status"] for row in rows} == {"COMPLETED"}


@pytest.mark.timeout(300)
async def test_jobs_that_wait_behind_slow_ones_are_not_taken_for_lost(
    fleet: Any, sign_in: Any, audit: Any
) -> None:
    """The browser worker runs a few at a time: the others wait on the wire, longer than a lease."""
    api = await sign_in()
    slow = {"url": f"{fleet.running.site_url}/slow?ms=12000"}
    quick = {"url": f"{fleet.running.site_url}/"}
    urls = [slow, slow, *[quick] * 18]
    ids = [(await api.submit("navigate_and_extract_text", params))["id"] for params in urls]
    await wait_until(fleet.has_settled, timeout=LONG)
    await audit()
    [row] = await fleet.fetch(
        "SELECT count(*) AS runs, count(DISTINCT job_id) AS jobs FROM jobs.job_attempts "
        "WHERE job_id = ANY($1::uuid[])",
        ids,
    )
    assert row["runs"] == row["jobs"] == 20
