"""Under faults of processes, Redis and Postgres every job ends once and is charged once."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator

import pytest

from msaas.dev.chaos import SCENARIOS, SHORT, IsolatedFleet, start_fleet
from msaas.dev.chaos.command import run_scenarios
from msaas.local.api_client import ApiClient
from msaas.testing import wait_until

SignIn = Callable[..., Awaitable[ApiClient]]
Audit = Callable[[], Awaitable[None]]
LONG = 120.0


@pytest.fixture
def fleet_of_replicas() -> Iterator[IsolatedFleet]:
    with start_fleet() as fleet:
        yield fleet


@pytest.mark.slow
@pytest.mark.timeout(1_800)
async def test_a_fleet_under_load_loses_and_repeats_no_job(
    fleet_of_replicas: IsolatedFleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run the scenarios of `./msaas chaos --short` one after the other."""
    scenarios = [scenario for scenario in SCENARIOS if scenario.is_short]
    passed = await run_scenarios(fleet_of_replicas, scenarios, SHORT)
    output = capsys.readouterr().out
    assert passed, output
    assert all(f"✓ {scenario.name}" in output for scenario in scenarios)
    assert output.endswith("nothing lost, nothing twice\n")


async def submit_slow(api: ApiClient, count: int) -> list[str]:
    params = {"message": "slow", "delay_ms": 8_000}
    return [(await api.submit("echo", params))["id"] for _ in range(count)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", ["jobs", "postgres"])
async def test_jobs_that_end_while_their_owner_is_stopped_are_not_run_again(
    fleet: IsolatedFleet, sign_in: SignIn, audit: Audit, part: str
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
    await asyncio.sleep(25)  # longer than the run and its lease
    fleet.send(part, signal.SIGCONT)
    await wait_until(fleet.has_settled, timeout=LONG)
    await audit()
    rows = await fleet.fetch(
        "SELECT count(*) AS runs FROM jobs.job_attempts WHERE job_id = ANY($1::uuid[])", ids
    )
    assert rows[0]["runs"] == len(ids)


@pytest.mark.timeout(300)
async def test_jobs_of_a_killed_browser_worker_complete(
    fleet: IsolatedFleet, sign_in: SignIn, audit: Audit
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
async def test_jobs_queued_behind_slow_ones_are_not_reported_as_lost(
    fleet: IsolatedFleet, sign_in: SignIn, audit: Audit
) -> None:
    """The browser worker runs a few at a time: the others wait in Redis longer than a lease."""
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
