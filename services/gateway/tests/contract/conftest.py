"""The gateway with the real jobs service, and the operations of the OpenAPI document."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio
import yaml
from services.gateway.tests.conftest import FakeIssuer, RunningGateway

from msaas.contracts import (
    ChangePlan,
    Message,
    OpenCheckout,
    OpenPortal,
    PreviewInvoice,
    SetSpendLimit,
)
from msaas.jobs.bootstrap import assemble, read_keys
from msaas.jobs.settings import LOCAL_SEALING_KEY
from msaas.kernel import RetryPolicy
from msaas.messaging import (
    ConsumerTimings,
    Delivery,
    Messenger,
    OutgoingMessage,
    RedisBroker,
)
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT

DOCUMENT: Any = yaml.load(
    (Path(__file__).parents[4] / "contracts/openapi/gateway.v1.yaml").read_text(),
    yaml.CSafeLoader,  # ten times as fast as the other
)
TIMINGS = ConsumerTimings(
    block_timeout=0.05,
    heartbeat_interval=0.1,
    reclaim_after=0.5,
    drain_timeout=0.5,
    retry=RetryPolicy(base=0.01, cap=0.1),
)


@pytest.fixture
def flag_defaults() -> Mapping[str, bool]:
    """Turn on what is off by default, so that every operation is served."""
    return {"FF_AGENTS_ENABLED": True}


@pytest.fixture(scope="session")
def jobs_login(postgres_url: str, template: str) -> str:
    """Set the password of the login, which migrations do not set."""

    async def set_password() -> None:
        admin = await asyncpg.connect(postgres_url)
        await admin.execute("SELECT pg_advisory_lock(hashtext('svc_jobs'))")
        await admin.execute("ALTER ROLE svc_jobs PASSWORD 'svc_jobs'")
        await admin.close()

    asyncio.run(set_password())
    return "svc_jobs:svc_jobs"


@pytest_asyncio.fixture
async def jobs_service(
    schema_url: str, jobs_login: str, redis_url_for: Callable[[str], str], environment: str
) -> AsyncIterator[None]:
    url = urlsplit(schema_url)
    netloc = f"{jobs_login}@{url.netloc.rpartition('@')[2]}"
    setting = PostgresConfig(url._replace(netloc=netloc).geturl())
    metrics = Metrics("jobs", environment)
    broker = RedisBroker(redis_url_for("jobs"), command_timeout=GENEROUS_TIMEOUT)
    async with Database(setting, metrics) as database:
        service = assemble(
            database,
            broker,
            environment,
            metrics,
            opener=read_keys(LOCAL_SEALING_KEY),
            dispatch_window=200,
            timings=TIMINGS,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(service.run(stop))
        yield
        stop.set()
        await running
    await broker.close()


@pytest_asyncio.fixture
async def billing_service(
    redis_url_for: Callable[[str], str], environment: str
) -> AsyncIterator[None]:
    """Answer the commands of billing in its shape, with no data of users."""
    broker = RedisBroker(redis_url_for("billing"), command_timeout=GENEROUS_TIMEOUT)
    metrics = Metrics("billing", environment)
    messenger = Messenger(broker, "billing", environment, metrics=metrics, timings=TIMINGS)

    async def answer(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        return [
            reply
            for delivery in batch
            for reply in delivery.reply_success(**BILLING_ANSWERS[type(delivery.message)])
        ]

    messenger.consume_batches("billing.commands", answer)
    running = asyncio.create_task(messenger.run())
    yield
    messenger.drain()
    await running
    await broker.close()


_PAGE = {"url": "https://pay.example.com/1", "expires_at": None}
BILLING_ANSWERS: Mapping[type[Message], dict[str, Any]] = {
    OpenCheckout: _PAGE,
    OpenPortal: _PAGE,
    ChangePlan: {
        "change": "upgrade",
        "plan": "ENTERPRISE",
        "status": "active",
        "period_end": None,
        "next_plan": None,
    },
    SetSpendLimit: {"amount": 5_000},
    PreviewInvoice: {"currency": "usd", "due_at": None, "total": 0, "lines": []},
}


@dataclass(frozen=True)
class Operation:
    """One operation of the document, with everything that a request needs."""

    id: str
    method: str
    path: str
    responses: Any
    parameters: tuple[str, ...]
    example: Any
    is_public: bool
    is_deprecated: bool


def resolve(found: Any) -> Any:
    while "$ref" in found:
        target = DOCUMENT
        for part in found["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        found = target
    return found


@pytest.fixture(scope="session")
def operations() -> dict[str, Operation]:
    """Every operation of the document by its id."""
    return {
        operation["operationId"]: Operation(
            id=operation["operationId"],
            method=method.upper(),
            path=path,
            responses={s: resolve(answer) for s, answer in operation["responses"].items()},
            parameters=tuple(
                resolve(parameter)["name"]
                for parameter in [*item.get("parameters", ()), *operation.get("parameters", ())]
            ),
            example=_example_of(operation),
            is_public=operation.get("security", DOCUMENT["security"]) == [],
            is_deprecated=operation.get("deprecated", False),
        )
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }


def _example_of(operation: Any) -> Any:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return body.get("example")


CreateJob = Callable[..., Awaitable[UUID]]


@pytest_asyncio.fixture
async def create_job(
    gateway: RunningGateway, jobs_service: None, issuer: FakeIssuer, rows: asyncpg.Connection
) -> AsyncIterator[CreateJob]:
    """Return a function that submits a job for 2099 and sets its status in the database."""
    async with httpx.AsyncClient(base_url=gateway[1], timeout=20) as http:

        async def create(user_id: UUID, status: str, message: str = "hello") -> UUID:
            answer = await http.post(
                "/api/v1/jobs",
                headers={"authorization": f"Bearer {issuer.token(user_id)}"},
                json={
                    "task_type": "echo",
                    "params": {"message": message},
                    "run_at": "2099-01-01T00:00:00Z",
                },
            )
            job_id = UUID(answer.json()["id"])
            if status != "PENDING":
                await rows.execute(_FINISH_JOB, job_id, status, message)
            return job_id

        yield create


_FINISH_JOB = """
UPDATE jobs.jobs SET status = $2, finished_at = now(), reserved = false,
  result = CASE WHEN $2 = 'COMPLETED' THEN jsonb_build_object('message', $3::text) END,
  last_error = CASE WHEN $2 = 'FAILED' THEN 'It failed.' END,
  failure_reason = CASE WHEN $2 = 'FAILED' THEN 'failed' END
WHERE id = $1
"""
