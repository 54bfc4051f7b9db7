"""A process of workflows is killed after each thing that it persists; the run ends the same."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from uuid import UUID

import orjson
import pytest
import pytest_asyncio
from services.agents.tests.engine_support import ENDED, Engine, as_login
from services.agents.tests.support.two_calls import read_bill

from msaas.testing import wait_until

PROGRAM = Path(__file__).parents[1] / "programs" / "dying_agents.py"
ANSWER = "wrote: planned 0; planned 1; green"
KEYS = ("plan", "write")
MAX_BOUNDARIES = 150
FINISHED = "SELECT count(*) = 0 FROM agents.frame_outbox WHERE run_id = $1"


@dataclass
class Processes:
    """Forks processes of the service, each with the boundary after which it is killed."""

    program: asyncio.subprocess.Process
    engine: Engine
    folder: Path
    started: list[int]

    async def start(self, crash: int, bill: Path) -> int:
        order = {
            "crash": crash,
            "bill": str(bill),
            "log": str(self.folder / f"boundary-{crash}"),
            "environment": self.engine.environment,
            "redis_url": self.engine.redis_url,
            "database_url": as_login(self.engine.url, "svc_agents"),
        }
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(json.dumps(order).encode() + b"\n")
        await self.program.stdin.drain()
        process = int(await self.program.stdout.readline())
        self.started.append(process)
        return process

    async def kill(self, process: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(process, SIGKILL)
        await wait_until(lambda: not is_alive(process))


@pytest_asyncio.fixture
async def processes(engine: Engine, tmp_path: Path) -> AsyncIterator[Processes]:
    log = (tmp_path / "agents.log").open("wb")
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
        env=os.environ | {"PYTHONPATH": str(PROGRAM.parents[4])},
    )
    processes = Processes(program, engine, tmp_path, [])
    yield processes
    program.kill()
    await program.wait()
    for process in processes.started:
        await processes.kill(process)
    log.close()
    sys.stderr.write((tmp_path / "agents.log").read_text()[-3_000:])


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_run_ends_the_same_wherever_its_process_is_killed(
    engine: Engine, processes: Processes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boundaries: list[str] = []
    for number in range(1, MAX_BOUNDARIES):
        bill = tmp_path / f"bill-{number}"
        if not await run_once(engine, processes, number, bill):
            break
        boundaries.append((tmp_path / f"boundary-{number}").read_text())
    count = len(boundaries)
    with capsys.disabled():
        kinds = {kind: boundaries.count(kind) for kind in sorted(set(boundaries))}
        report = f"crash matrix: {count}/{count} boundaries, the same answer at each: {kinds}"
        sys.stdout.write(f"\n  {report}\n")
    assert count >= 20, "a run of this workflow persists more often"
    assert set(boundaries) == {"commit", "publish"}


async def run_once(engine: Engine, processes: Processes, number: int, bill: Path) -> bool:
    """Return whether the process was killed: it is not where the run has no such boundary."""
    process = await processes.start(number, bill)
    user_id, run_id = await engine.submit()
    person = asyncio.create_task(engine.answer(user_id, run_id, colour="green"))

    async def is_over() -> bool:
        return not is_alive(process) or await is_published(engine, run_id)

    await wait_until(is_over, timeout=120, message=f"boundary {number}: no end")
    was_killed = not is_alive(process)
    if was_killed:
        process = await processes.start(0, bill)
        await engine.wait_for_end(run_id)
    await person
    await check(engine, run_id, bill, number)
    await processes.kill(process)
    return was_killed


async def is_published(engine: Engine, run_id: UUID) -> bool:
    """Whether the run has ended and all of its frames are out: nothing of it is persisted after."""
    has_ended = (await engine.job(run_id))["status"] in ENDED
    return has_ended and bool(await engine.rows.fetchval(FINISHED, run_id))


async def check(engine: Engine, run_id: UUID, bill: Path, number: int) -> None:
    job, run = await engine.job(run_id), await engine.run(run_id)
    at = f"boundary {number}"
    assert job["status"] == "COMPLETED", (at, job["failure_reason"], job["last_error"])
    result = orjson.loads(job["result"])
    assert result["answer"] == ANSWER, at
    assert run["state"] == "succeeded", at
    await check_spend(engine, run_id, bill, at)
    children = "SELECT count(*) FROM jobs.jobs WHERE parent_job_id = $1"
    keys = "SELECT count(DISTINCT call_key) FROM agents.tool_calls WHERE run_id = $1"
    for sql in (children, keys):
        assert await engine.rows.fetchval(sql, run_id) == 2, at
    charged = """
    SELECT count(*) FROM jobs.usage_events e JOIN jobs.jobs j ON j.id = e.job_id
    WHERE $1 IN (j.id, j.parent_job_id)
    """
    assert await engine.rows.fetchval(charged, run_id) == 3, at


async def check_spend(engine: Engine, run_id: UUID, bill: Path, at: str) -> None:
    """Assert that each call was paid once, and the one that was out when the process died twice."""
    run, paid = await engine.run(run_id), read_bill(bill)
    assert set(paid) == set(KEYS), at
    repeated = len(paid) - len(KEYS)
    assert repeated in {0, 1}, (at, paid)
    # One that is reserved, but whose request had not left, is shown as repeated too.
    assert repeated <= run["repeated_calls"] <= 1, (at, run["repeated_calls"], paid)
    assert run["model_calls"] == len(KEYS), (at, "those that were answered")
    tokens = run["tokens_in"] + run["tokens_out"] + run["tokens_lost"] + run["tokens_reserved"]
    assert run["tokens_reserved"] == run["cost_reserved_micro_usd"] == 0, at
    assert tokens <= run["max_tokens"], at
    assert run["cost_micro_usd"] <= run["max_cost_micro_usd"], at


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
