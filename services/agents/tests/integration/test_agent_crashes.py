"""A process of workflows is killed after each thing that it persists; the run ends the same."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Self
from uuid import UUID

import orjson
import pytest
import pytest_asyncio
from services.agents.tests.engine_support import ENDED, Engine, as_login
from services.agents.tests.support.two_calls import read_bill

from msaas.contracts import TOPICS, TopicKind
from msaas.messaging import RedisBroker
from msaas.testing import GENEROUS_TIMEOUT, wait_until

PROGRAM = Path(__file__).parents[1] / "programs" / "dying_agents.py"
ANSWER = "wrote: planned 0; planned 1; green"
KEYS = ("plan", "write")
KINDS = {
    "JobStarted",
    "JobSucceeded",
    "JobWaiting",
    "PostgresApprovals.decide",
    "PostgresApprovals.open",
    "PostgresCheckpointSaver.aput",
    "PostgresCheckpointSaver.aput_writes",
    "PostgresLedger.reserve",
    "PostgresLedger.settle",
    "PostgresRuns.begin",
    "PostgresRuns.finish",
    "PostgresRuns.suspend",
    "PostgresSteps.put",
    "PostgresToolCalls.open",
    "PostgresToolCalls.store_outcome",
    "Reply",
    "SubmitJobs",
    "WakeJob",
}
MIN_BOUNDARIES = 50
MAX_TRIES = 3
LAST = "JobSucceeded 1"
TOPICS_READ = [
    topic
    for topic in TOPICS.values()
    if topic.kind is TopicKind.WORK and "agents" in topic.consumers
]
FINISHED = "SELECT count(*) = 0 FROM agents.frame_outbox WHERE run_id = $1"


@dataclass
class Processes:
    """Forks processes of the service, each with the boundary after which it is killed."""

    program: asyncio.subprocess.Process
    engine: Engine
    broker: RedisBroker
    started: list[int]

    async def start(self, crash: str | None, files: "Files") -> int:
        order = {
            "crash": crash,
            "bill": str(files.bill),
            "log": str(files.log),
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

    async def wait_for_rest(self) -> None:
        """Wait until all that was sent to the service is handled: the next run is not disturbed."""

        async def is_handled() -> bool:
            keys = [topic.key(self.engine.environment, "agents") for topic in TOPICS_READ]
            return not any([await self.broker.depth(key) for key in keys])

        await wait_until(is_handled, message="messages of the run before wait on")

    async def kill(self, process: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(process, SIGKILL)
        await wait_until(lambda: not is_alive(process))


@dataclass(frozen=True)
class Files:
    """What the processes of one run note: each call of a model, and each boundary."""

    bill: Path
    log: Path

    @classmethod
    def within(cls, folder: Path) -> Self:
        folder.mkdir()
        return cls(folder / "bill", folder / "boundaries")

    def read_boundaries(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


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
    broker = RedisBroker(engine.redis_url, command_timeout=GENEROUS_TIMEOUT)
    processes = Processes(program, engine, broker, [])
    yield processes
    program.kill()
    await program.wait()
    for process in processes.started:
        await processes.kill(process)
    await broker.close()
    log.close()
    sys.stderr.write((tmp_path / "agents.log").read_text()[-3_000:])


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_run_ends_the_same_wherever_its_process_is_killed(
    engine: Engine, processes: Processes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Only a run that is short of time waits once more: what two runs persist is what each does.
    first, second = [
        await run_undisturbed(engine, processes, Files.within(tmp_path / f"undisturbed-{number}"))
        for number in range(2)
    ]
    boundaries = [each for each in first if each in second]
    kinds = Counter(each.partition(" ")[0] for each in boundaries)
    assert set(kinds) == KINDS
    assert len(boundaries) >= MIN_BOUNDARIES, boundaries
    for number, boundary in enumerate(boundaries):
        for attempt in range(MAX_TRIES):
            files = Files.within(tmp_path / f"killed-{number}-{attempt}")
            if await run_killed(engine, processes, boundary, files):
                break
        else:
            pytest.fail(f"not reached: {boundary}")
    count = len(boundaries)
    with capsys.disabled():
        report = f"crash matrix: {count}/{count} boundaries, the same answer at each: {dict(kinds)}"
        sys.stdout.write(f"\n  {report}\n")


async def run_undisturbed(engine: Engine, processes: Processes, files: Files) -> list[str]:
    """Return the boundaries of a run whose process is not killed."""
    process = await processes.start(None, files)
    user_id, run_id = await engine.submit()
    await engine.answer(user_id, run_id, colour="green")
    await wait_until(lambda: LAST in files.read_boundaries(), message="the run does not end")
    await wait_until(lambda: is_published(engine, run_id), message="frames wait on")
    await check(engine, run_id, files.bill, "undisturbed")
    await processes.wait_for_rest()
    await processes.kill(process)
    return files.read_boundaries()


async def run_killed(engine: Engine, processes: Processes, boundary: str, files: Files) -> bool:
    """Kill the process of a run after this boundary, and let another one end the run.

    Return whether the run came to it: on a slow host two steps may be stored as one.
    """
    process = await processes.start(boundary, files)
    user_id, run_id = await engine.submit()
    person = asyncio.create_task(engine.answer(user_id, run_id, colour="green"))

    async def is_over() -> bool:
        return not is_alive(process) or await is_published(engine, run_id)

    await wait_until(is_over, message=f"neither killed nor ended: {boundary}")
    if is_reached := not is_alive(process):
        assert files.read_boundaries()[-1] == boundary
        process = await processes.start(None, files)
    await engine.wait_for_end(run_id)
    await person
    await check(engine, run_id, files.bill, boundary)
    await processes.wait_for_rest()
    await processes.kill(process)
    return is_reached


async def is_published(engine: Engine, run_id: UUID) -> bool:
    """Whether the run has ended and all of its frames are out: nothing of it is persisted after."""
    has_ended = (await engine.job(run_id))["status"] in ENDED
    return has_ended and bool(await engine.rows.fetchval(FINISHED, run_id))


async def check(engine: Engine, run_id: UUID, bill: Path, at: str) -> None:
    job, run = await engine.job(run_id), await engine.run(run_id)
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
