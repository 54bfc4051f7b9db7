"""A gateway on real servers, with a token issuer and a jobs service that tests control."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
import yaml
from joserfc import jwt
from joserfc.jwk import ECKey
from jsonschema import Draft202012Validator, FormatChecker

from msaas.contracts import (
    CancelJob,
    ChangeJobs,
    JobChanged,
    JobFrame,
    JobItem,
    JobStatus,
    Message,
    Progress,
    RetryJob,
    SubmitJob,
    SubmitJobs,
)
from msaas.flags import FlagsUnavailable
from msaas.gateway.bootstrap import Gateway, assemble, create_gateway_app
from msaas.gateway.domain.rate_limit_rules import (
    RATE_LIMIT_RULES,
    RateLimitCategory,
    RateLimitRule,
)
from msaas.gateway.settings import Settings
from msaas.kernel import ErrorKind, MsaasError
from msaas.messaging import ConsumerTimings, Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.settings import load_settings
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT, wait_until
from msaas.web.server import HttpServer, ProblemHttpProtocol, bind_socket

DOCUMENT: Any = yaml.load(
    (Path(__file__).parents[3] / "contracts/openapi/gateway.v1.yaml").read_text(),
    yaml.CSafeLoader,  # ten times as fast as the other
)
KEY = ECKey.generate_key("P-256", {"kid": "test"})
LOGINS = ("svc_gateway", "svc_gateway_read")


class RunningGateway(NamedTuple):
    gateway: Gateway
    url: str


class FakeIssuer:
    """Issues access tokens and publishes their key, as Supabase does."""

    def __init__(self, url: str) -> None:
        self.url = url

    def token(self, user_id: UUID, seconds: float = 3600, **changes: Any) -> str:
        now = time.time()
        claims: dict[str, Any] = {
            "iss": f"{self.url}/auth/v1",
            "aud": "authenticated",
            "role": "authenticated",
            "sub": str(user_id),
            "email": f"{user_id.hex}@example.com",
            "iat": int(now),
            "exp": now + seconds,
        }
        header = {"alg": "ES256", "kid": "test"}
        return jwt.encode(header, claims | changes, KEY, algorithms=["ES256"])


class OpenApiChecker:
    """Checks every response against the OpenAPI document."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str, str]] = set()

    def check(self, answer: httpx.Response) -> None:
        path, operation = self._find(answer.request.method.lower(), answer.request.url.path)
        status = str(answer.status_code)
        self.seen.add((answer.request.method.lower(), path, status))
        assert status in operation["responses"], f"{path} does not know {status}"
        declared = self._resolve(operation["responses"][status])
        if not (content := declared.get("content")):
            assert answer.content == b""
            return
        media_type = answer.headers["content-type"].partition(";")[0]
        assert media_type in content
        schema = {**content[media_type]["schema"], "components": DOCUMENT["components"]}
        validator: Any = Draft202012Validator(schema, format_checker=FormatChecker())
        validator.validate(answer.json())

    def _find(self, method: str, path: str) -> tuple[str, Any]:
        segments = path.removeprefix("/api/v1").split("/")
        for template, item in DOCUMENT["paths"].items():
            parts = template.split("/")
            same = [p == w or p.startswith("{") for p, w in zip(parts, segments, strict=False)]
            if len(parts) == len(segments) and all(same) and method in item:
                return template, item[method]
        raise AssertionError(f"{method} {path} is not in the document")

    def _resolve(self, found: Any) -> Any:
        while "$ref" in found:
            target = DOCUMENT
            for part in found["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            found = target
        return found


class FakeJobsService:
    """A jobs service on the real Redis: refuses with `refusal` if set, otherwise inserts a row."""

    def __init__(self, messenger: Messenger, rows: asyncpg.Connection) -> None:
        self.commands: list[Any] = []
        self.refusal: MsaasError | None = None
        self.silent = False
        self.job_ids_by_key: dict[tuple[UUID, str, str], UUID] = {}
        self.version = 0
        self._messenger = messenger
        self._rows = rows
        messenger.consume_batches("jobs.commands", self._handle)

    async def _handle(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        return [reply for delivery in batch for reply in await self._answer(delivery)]

    async def _answer(self, delivery: Delivery) -> list[OutgoingMessage]:
        command = delivery.message
        self.commands.append(command)
        if self.silent:
            return []
        if self.refusal is not None:
            return delivery.reply_error(self.refusal)
        match command:
            case CancelJob() | RetryJob():
                status = "CANCELLED" if isinstance(command, CancelJob) else "PENDING"
                return delivery.reply_success(job_id=command.job_id, status=status)
            case ChangeJobs():
                return await self._begin_bulk_change(delivery, command)
            case SubmitJobs():
                return delivery.reply_success(
                    items=[self._decide_item(item) for item in command.jobs]
                )
            case _:
                return await self._accept_submission(delivery, cast("SubmitJob", command))

    async def _accept_submission(
        self, delivery: Delivery, submitted: SubmitJob
    ) -> list[OutgoingMessage]:
        if (same := submitted.idempotency) is not None:
            key = (submitted.user_id, same.key, same.fingerprint)
            first = self.job_ids_by_key.setdefault(key, submitted.job_id)
            if first != submitted.job_id:
                return delivery.reply_success(job_id=first, status="PENDING", replayed=True)
        await self.insert_job(
            submitted.user_id,
            submitted.job_id,
            params=submitted.payload,
            task_type=submitted.task_type,
        )
        return delivery.reply_success(job_id=submitted.job_id, status="PENDING", replayed=False)

    async def _begin_bulk_change(
        self, delivery: Delivery, command: ChangeJobs
    ) -> list[OutgoingMessage]:
        await self._rows.execute(
            "INSERT INTO jobs.bulk_changes (id, user_id, action, job_ids, total)"
            " VALUES ($1, $2, $3, $4, cardinality($4::uuid[])) ON CONFLICT DO NOTHING",
            *(command.bulk_id, command.user_id, command.action, list(command.job_ids)),
        )
        return delivery.reply_success(bulk_id=command.bulk_id, total=len(command.job_ids))

    def _decide_item(self, item: JobItem) -> dict[str, object]:
        """Refuse a job with the message `refuse me` because of the quota."""
        if item.payload.get("message") != "refuse me":
            return {"ok": True, "job_id": item.job_id, "status": "PENDING", "replayed": False}
        used = {"limit": 100, "used": 99, "reserved": 1, "resets_at": "2030-01-01T00:00:00Z"}
        problem = {"code": "quota_exceeded", "detail": "All used.", "retryable": False}
        return {"ok": False, "job_id": item.job_id, "problem": problem | {"context": used}}

    async def insert_job(self, user_id: UUID, job_id: UUID | None = None, **fields: Any) -> UUID:
        job_id = job_id or uuid4()
        params = json.dumps(fields.pop("params", {"message": "hello"}))
        values = {"task_type": "echo", "status": "PENDING"} | fields
        await self._rows.execute(
            "INSERT INTO jobs.jobs (id, user_id, payload, max_attempts, correlation_id, source, "
            f"billable, {', '.join(values)}) VALUES ($1, $2, $3, 3, 'c', 'api', true, "
            f"{', '.join(f'${n + 4}' for n in range(len(values)))})",
            *(job_id, user_id, params, *values.values()),
        )
        return job_id

    async def publish_change(
        self, user_id: UUID, job_id: UUID, status: str = "RUNNING", percent: int | None = None
    ) -> None:
        """Publish a change, as the service does after each commit."""
        self.version += 1
        now = datetime.now(UTC)
        frame = JobFrame(id=job_id, status=JobStatus(status), attempts=0, updated_at=now)
        changed = JobChanged(
            frame=frame,
            user_id=user_id,
            task_type="echo",
            version=self.version,
            correlation_id="c",
            progress=None if percent is None else Progress(percent=percent),
        )
        await self.publish(changed)

    async def publish(self, event: Message) -> None:
        await self._messenger.publisher.publish("jobs.events", event, correlation_id="c")


class FakeRefusal(MsaasError):
    """A refusal with any code and context."""

    kind = ErrorKind.CONFLICT

    def __init__(self, code: str, **context: object) -> None:
        super().__init__("No.", **context)
        self.code = code  # pyright: ignore[reportAttributeAccessIssue]  # each test sets its own


class ApiUser:
    """A signed-in user; every response is checked against the document."""

    def __init__(
        self, http: httpx.AsyncClient, spec: OpenApiChecker, user_id: UUID, token: str
    ) -> None:
        self.http = http
        self.spec = spec
        self.id = user_id
        self.headers = {"authorization": f"Bearer {token}"}

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = self.headers | options.pop("headers", {})
        answer = await self.http.request(method, f"/api/v1{path}", headers=headers, **options)
        self.spec.check(answer)
        return answer

    async def submit(self, **body: Any) -> httpx.Response:
        job = {"task_type": "echo", "params": {"message": "hello"}} | body
        return await self.request("POST", "/jobs", json=job)


SignIn = Callable[..., Awaitable[ApiUser]]
OpenGateway = Callable[[Settings], Awaitable[RunningGateway]]
ReadMetric = Callable[..., float | None]
RateLimitRules = Mapping[RateLimitCategory, RateLimitRule]


@pytest.fixture(scope="session")
def logins(postgres_url: str, template: str) -> dict[str, str]:
    """Set the passwords of the logins, which migrations do not set."""

    async def set_passwords() -> None:
        admin = await asyncpg.connect(postgres_url)
        await admin.execute("SELECT pg_advisory_lock(hashtext('logins'))")
        for login in LOGINS:
            await admin.execute(f"ALTER ROLE {login} PASSWORD '{login}'")
        await admin.close()

    asyncio.run(set_passwords())
    return {login: f"{login}:{login}" for login in LOGINS}


@pytest_asyncio.fixture
async def rows(schema_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(schema_url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def issuer() -> AsyncIterator[FakeIssuer]:
    body = json.dumps({"keys": [KEY.as_dict(private=False)]}).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        writer.write(head + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield FakeIssuer(f"http://{host}:{port}")
    server.close()


@pytest.fixture
def gateway_settings(
    schema_url: str,
    redis_url_for: Callable[[str], str],
    environment: str,
    issuer: FakeIssuer,
    logins: dict[str, str],
) -> Settings:
    def at(login: str) -> str:
        url = urlsplit(schema_url)
        return url._replace(netloc=f"{logins[login]}@{url.netloc.rpartition('@')[2]}").geturl()

    return load_settings(
        Settings,
        {
            "ENVIRONMENT": "test",
            "DATABASE_URL": at("svc_gateway"),
            "GATEWAY_READ_DATABASE_URL": at("svc_gateway_read"),
            "REDIS_URL": redis_url_for("gateway"),
            "SUPABASE_URL": issuer.url,
            "GATEWAY_RATE_LIMITS_ENFORCED": "false",  # each test is one address
            "GATEWAY_STREAMS_PER_USER": "3",
            "GATEWAY_STREAMS_PER_PROCESS": "5",
        },
    )


@pytest.fixture
def metrics(environment: str) -> Metrics:
    return Metrics("gateway", environment)


@pytest.fixture
def read_metric(metrics: Metrics, environment: str) -> ReadMetric:
    def read(name: str, **labels: str) -> float | None:
        stamp = {"service": "gateway", "environment": environment}
        return metrics.registry.get_sample_value(name, labels | stamp)

    return read


@pytest.fixture
def rate_limit_rules() -> RateLimitRules:
    return RATE_LIMIT_RULES


@pytest.fixture
def flag_defaults() -> Mapping[str, bool]:
    return {}


@pytest_asyncio.fixture
async def open_gateway(
    environment: str,
    metrics: Metrics,
    rate_limit_rules: RateLimitRules,
    flag_defaults: Mapping[str, bool],
    schema_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[OpenGateway]:
    """Return a function that serves gateways until the test ends."""
    # Client and server share a loop here: on a slow host a client's head may take a while.
    monkeypatch.setattr(ProblemHttpProtocol, "head_timeout", GENEROUS_TIMEOUT)
    async with AsyncExitStack() as stack:

        async def open_(settings: Settings) -> RunningGateway:
            return await stack.enter_async_context(
                serving(settings, environment, metrics, rate_limit_rules, flag_defaults)
            )

        yield open_


@asynccontextmanager
async def serving(
    settings: Settings,
    environment: str,
    metrics: Metrics,
    rate_limit_rules: RateLimitRules,
    flag_defaults: Mapping[str, bool],
) -> AsyncGenerator[RunningGateway]:
    # Each test has its own environment, and so its own keys in Redis.
    named = settings.model_copy(update={"environment": environment})
    gateway = assemble(named, metrics, flag_defaults, rate_limit_rules=rate_limit_rules)
    app = create_gateway_app(gateway, named, metrics)
    # As in production: its connections stay open for longer than a client reuses them.
    server = HttpServer(app, drain_seconds=3)
    listening = bind_socket("127.0.0.1", 0)
    port = listening.getsockname()[1]
    task = asyncio.create_task(server.serve([listening]))
    await wait_until(lambda: server.started or task.done())
    await wait_until(lambda: gateway.event_hub.has_started and gateway.run_hub.has_started)
    try:
        yield RunningGateway(gateway, f"http://127.0.0.1:{port}")
    finally:
        gateway.health.drain()
        server.should_exit = True
        await task


def has_read_flags(gateway: Gateway) -> bool:
    """Until then, a route with a flag answers 503."""
    try:
        gateway.state.features.switches.ensure_loaded()
    except FlagsUnavailable:
        return False
    return True


@pytest_asyncio.fixture
async def gateway(open_gateway: OpenGateway, gateway_settings: Settings) -> RunningGateway:
    running = await open_gateway(gateway_settings)
    await wait_until(lambda: has_read_flags(running.gateway))
    return running


@pytest_asyncio.fixture
async def fake_jobs(
    redis_url_for: Callable[[str], str], environment: str, rows: asyncpg.Connection
) -> AsyncIterator[FakeJobsService]:
    broker = RedisBroker(redis_url_for("jobs"), command_timeout=GENEROUS_TIMEOUT)
    messenger = Messenger(
        broker,
        "jobs",
        environment,
        metrics=Metrics("jobs", environment),
        timings=ConsumerTimings(block_timeout=0.05),
    )
    fake_jobs = FakeJobsService(messenger, rows)
    running = asyncio.create_task(messenger.run())
    yield fake_jobs
    messenger.drain()
    await running
    await broker.close()


@pytest.fixture
def spec() -> OpenApiChecker:
    return OpenApiChecker()


@pytest_asyncio.fixture
async def sign_in(
    gateway: RunningGateway, issuer: FakeIssuer, spec: OpenApiChecker
) -> AsyncIterator[SignIn]:
    """Return a function that signs a new user in."""
    _, url = gateway
    async with httpx.AsyncClient(base_url=url, timeout=10) as http:

        async def sign_in_(seconds: float = 3600, **claims: Any) -> ApiUser:
            user_id = uuid4()
            user = ApiUser(http, spec, user_id, issuer.token(user_id, seconds, **claims))
            assert (await user.request("GET", "/me")).status_code == 200
            return user

        yield sign_in_
