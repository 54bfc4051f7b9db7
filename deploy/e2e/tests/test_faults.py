"""Processes end, Redis forgets, Postgres goes away: every job ends once and is charged once."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from msaas.testing import wait_until

JOBS = 200
LONG = 120.0


async def submit_all(api: Any, count: int = JOBS, delay_ms: int = 20) -> list[str]:
    """Submit like a patient client: what was refused for now is tried again under its key."""

    async def one(number: int) -> str:
        params = {"message": str(number), "delay_ms": delay_ms}

        async def accepted() -> bool:
            try:
                job = await api.submit("echo", params, key=f"job-{number}")
            except Exception:  # noqa: BLE001  # whatever it was, the key makes it safe to try again
                return False
            ids[number] = job["id"]
            return True

        await wait_until(accepted, timeout=LONG)
        return ids[number]

    ids: dict[int, str] = {}
    return [await one(number) for number in range(count)]


async def disturb(
    fleet: Any, sign_in: Any, act: Callable[[], Awaitable[None]], after: int = 50
) -> None:
    """Do something while jobs are submitted and run, then hold the fleet to the record."""
    api = await sign_in()
    [[before]] = await fleet.fetch("SELECT count(*) FROM jobs.jobs WHERE source = 'api'")

    async def begun() -> bool:
        [row] = await fleet.fetch("SELECT count(*) FROM jobs.jobs WHERE source = 'api'")
        return row[0] >= before + after

    async with asyncio.TaskGroup() as group:
        submitting = group.create_task(submit_all(api))
        await wait_until(begun, timeout=LONG)
        await act()
    ids = submitting.result()
    assert len(set(ids)) == JOBS
    await wait_until(fleet.is_up, timeout=LONG)
    await wait_until(fleet.has_settled, timeout=LONG)
    await fleet.audit()
    rows = await fleet.fetch(
        "SELECT status, count(*) FROM jobs.jobs WHERE id = ANY($1::uuid[]) GROUP BY 1", ids
    )
    assert {row["status"]: row["count"] for row in rows} == {"COMPLETED": JOBS}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", ["jobs", "jobs-worker", "gateway"])
async def test_a_killed_process_costs_no_job(fleet: Any, sign_in: Any, part: str) -> None:
    async def kill() -> None:
        fleet.kill(part)

    await disturb(fleet, sign_in, kill)


@pytest.mark.timeout(300)
async def test_a_flushed_redis_costs_no_job_and_charges_none_twice(
    fleet: Any, sign_in: Any
) -> None:
    await disturb(fleet, sign_in, fleet.flush_redis)


@pytest.mark.timeout(300)
async def test_a_redis_that_comes_back_empty_costs_no_job(fleet: Any, sign_in: Any) -> None:
    async def replace() -> None:
        await fleet.flush_redis()
        fleet.kill("redis")

    await disturb(fleet, sign_in, replace)


@pytest.mark.timeout(300)
async def test_a_plain_restart_of_redis_runs_nothing_again(fleet: Any, sign_in: Any) -> None:
    async def restart() -> None:
        fleet.send("redis", signal.SIGTERM)

    [first] = await fleet.fetch("SELECT coalesce(max(dispatched_at), now()) FROM jobs.job_attempts")
    await disturb(fleet, sign_in, restart)
    [row] = await fleet.fetch(
        "SELECT count(*) AS runs, count(DISTINCT job_id) AS jobs FROM jobs.job_attempts "
        "WHERE dispatched_at > $1 AND started_at IS NOT NULL",
        first[0],
    )
    assert row["runs"] == row["jobs"]


@pytest.mark.timeout(300)
async def test_postgres_that_is_killed_costs_no_job(fleet: Any, sign_in: Any) -> None:
    async def kill() -> None:
        fleet.send("postgres", signal.SIGINT)

    await disturb(fleet, sign_in, kill)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", ["jobs", "postgres"])
async def test_work_that_ends_while_its_owner_is_away_is_not_run_again(
    fleet: Any, sign_in: Any, part: str
) -> None:
    api = await sign_in()
    ids = await submit_all(api, count=20, delay_ms=8_000)

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
    await fleet.audit()
    rows = await fleet.fetch(
        "SELECT count(*) AS runs FROM jobs.job_attempts WHERE job_id = ANY($1::uuid[])", ids
    )
    assert rows[0]["runs"] == len(ids)


@pytest.mark.timeout(300)
async def test_a_browser_worker_killed_in_the_middle_costs_no_job(fleet: Any, sign_in: Any) -> None:
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
    await fleet.audit()
    rows = await fleet.fetch("SELECT status FROM jobs.jobs WHERE id = ANY($1::uuid[])", ids)
    assert {row["status"] for row in rows} == {"COMPLETED"}


@pytest.mark.timeout(300)
async def test_jobs_that_wait_behind_slow_ones_are_not_taken_for_lost(
    fleet: Any, sign_in: Any
) -> None:
    """The browser worker runs a few at a time: the others wait on the wire, longer than a lease."""
    api = await sign_in()
    slow = {"url": f"{fleet.running.site_url}/slow?ms=12000"}
    quick = {"url": f"{fleet.running.site_url}/"}
    urls = [slow, slow, *[quick] * 18]
    ids = [(await api.submit("navigate_and_extract_text", params))["id"] for params in urls]
    await wait_until(fleet.has_settled, timeout=LONG)
    await fleet.audit()
    [row] = await fleet.fetch(
        "SELECT count(*) AS runs, count(DISTINCT job_id) AS jobs FROM jobs.job_attempts "
        "WHERE job_id = ANY($1::uuid[])",
        ids,
    )
    assert row["runs"] == row["jobs"] == 20
