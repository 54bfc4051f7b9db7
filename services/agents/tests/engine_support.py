"""The jobs service, its worker and a gateway around runs of workflows, all on real servers."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg

from msaas.agents.bootstrap import Parts, Service, assemble
from msaas.contracts import (
    ApproveStep,
    CancelJob,
    Message,
    Plan,
    Reply,
    ResumeRun,
    Source,
    SubmitJob,
)
from msaas.jobs.bootstrap import assemble as assemble_jobs
from msaas.jobs.bootstrap import read_keys
from msaas.jobs.settings import LOCAL_SEALING_KEY
from msaas.jobs.worker.echo import Echo
from msaas.kernel import RetryPolicy, new_id
from msaas.messaging import CommandClient, ConsumerTimings, Messenger, RedisBroker
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT, wait_until
from msaas.worker import JobWorker

TIMINGS = ConsumerTimings(
    block_timeout=0.05,
    heartbeat_interval=0.2,
    reclaim_after=1.0,
    drain_timeout=2.0,
    retry=RetryPolicy(base=0.01, cap=0.1),
)
ENDED = ("COMPLETED", "FAILED", "CANCELLED")
FLAG_ON = {"FF_AGENTS_ENABLED": True}


def as_login(url: str, login: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{login}:{login}@{host}").geturl()


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One environment: a database, a Redis, the jobs service and a worker of `echo`."""

    environment: str
    redis_url: str
    url: str
    rows: asyncpg.Pool
    client: CommandClient

    async def add_user(self) -> UUID:
        user_id = uuid4()
        sql = "INSERT INTO identity.users (id, email) VALUES ($1, $2)"
        await self.rows.execute(sql, user_id, f"{user_id}@example.com")
        return user_id

    async def submit(
        self, user_id: UUID | None = None, plan: Plan = Plan.PRO, **params: object
    ) -> tuple[UUID, UUID]:
        """Submit a run; return its user and its id."""
        user_id, run_id = user_id or await self.add_user(), new_id()
        command = SubmitJob(
            job_id=run_id,
            user_id=user_id,
            task_type="workflow.research",
            payload={"question": "Which colour?", "seeds": ["https://example.com/"]} | params,
            plan=plan,
            source=Source.API,
        )
        await self.call("jobs.commands", command)
        return user_id, run_id

    async def call(self, topic: str, command: Message) -> Reply:
        return await self.client.call(topic, command, ttl=60.0, correlation_id="test")

    async def cancel(self, user_id: UUID, run_id: UUID) -> None:
        await self.call("jobs.commands", CancelJob(job_id=run_id, user_id=user_id))

    async def wait_for_question(self, run_id: UUID) -> asyncpg.Record:
        async def find() -> asyncpg.Record | None:
            sql = "SELECT * FROM agents.approvals WHERE run_id = $1 AND state = 'open'"
            return await self.rows.fetchrow(sql, run_id)

        found = await wait_until(find, message=f"run {run_id} asks nothing")
        assert found is not None
        return found

    async def answer(self, user_id: UUID, run_id: UUID, **answer: object) -> Reply:
        question = await self.wait_for_question(run_id)
        keys = {"run_id": run_id, "user_id": user_id, "approval_id": question["id"]}
        return await self.call("agents.commands", ResumeRun(**keys, answer=answer))

    async def decide(self, user_id: UUID, run_id: UUID, *, approved: bool) -> Reply:
        question = await self.wait_for_question(run_id)
        command = ApproveStep(
            run_id=run_id, user_id=user_id, approval_id=question["id"], approved=approved
        )
        return await self.call("agents.commands", command)

    async def job(self, run_id: UUID) -> asyncpg.Record:
        row = await self.rows.fetchrow("SELECT * FROM jobs.jobs WHERE id = $1", run_id)
        assert row is not None
        return row

    async def run(self, run_id: UUID) -> asyncpg.Record:
        row = await self.rows.fetchrow("SELECT * FROM agents.runs WHERE id = $1", run_id)
        assert row is not None
        return row

    async def wait_for_end(self, run_id: UUID) -> asyncpg.Record:
        async def is_over() -> bool:
            return (await self.job(run_id))["status"] in ENDED

        await wait_until(is_over, timeout=120, message=f"run {run_id} does not end")
        return await self.job(run_id)

    async def wait_for_state(self, run_id: UUID, state: str) -> asyncpg.Record:
        async def has_state() -> bool:
            sql = "SELECT state = $2 FROM agents.runs WHERE id = $1"
            return bool(await self.rows.fetchval(sql, run_id, state))

        await wait_until(has_state, timeout=90, message=f"run {run_id} is not {state}")
        return await self.run(run_id)


@asynccontextmanager
async def running_engine(url: str, redis_url: str, environment: str) -> AsyncGenerator[Engine]:
    metrics = Metrics("jobs", "test")
    rows = await asyncpg.create_pool(url, min_size=1, max_size=8)
    async with Database(PostgresConfig(as_login(url, "svc_jobs")), metrics) as database:
        broker = RedisBroker(redis_url, command_timeout=GENEROUS_TIMEOUT)
        jobs = assemble_jobs(
            database,
            broker,
            environment,
            metrics,
            opener=read_keys(LOCAL_SEALING_KEY),
            dispatch_window=200,
            timings=TIMINGS,
        )
        worker = Messenger(
            broker, "jobs-worker", environment, metrics=Metrics("w", "test"), timings=TIMINGS
        )
        JobWorker(
            worker, "jobs.generic", [Echo()], slots=20, name="w-1", metrics=Metrics("w2", "test")
        )
        gateway = Messenger(
            broker, "gateway", environment, metrics=Metrics("g", "test"), timings=TIMINGS
        )
        client, stop = gateway.create_command_client(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(jobs.run(stop))
            group.create_task(worker.run())
            group.create_task(gateway.run())
            yield Engine(
                environment=environment, redis_url=redis_url, url=url, rows=rows, client=client
            )
            gateway.drain()
            worker.drain()
            stop.set()
        await broker.close()
    await rows.close()


@asynccontextmanager
async def running_agents(
    engine: Engine,
    parts: Parts,
    *,
    redis_url: str | None = None,
    flags: Mapping[str, bool] = FLAG_ON,
    slots: int = 20,
) -> AsyncGenerator[Service]:
    """Run the service as one process would, with its own logins."""
    metrics = Metrics("agents", "test")
    broker = RedisBroker(redis_url or engine.redis_url, command_timeout=GENEROUS_TIMEOUT)
    config = PostgresConfig(as_login(engine.url, "svc_agents"))
    async with Database(config, metrics) as database:
        service = assemble(
            database,
            broker,
            engine.environment,
            metrics,
            parts,
            slots=slots,
            flag_defaults=flags,
            timings=TIMINGS,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(service.run(stop))
        try:
            yield service
        finally:
            stop.set()
            await running
            await service.close()
    await broker.close()
