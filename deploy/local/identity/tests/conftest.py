"""The auth server in process under a clock that stands still, and as a process of its own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import pytest
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from msaas.embedded import find_free_port
from msaas.identity.adapters.argon2_passwords import Argon2Passwords
from msaas.identity.bootstrap import build_app, build_service, prepare_database
from msaas.identity.settings import Settings
from msaas.postgres import Database, PostgresConfig
from msaas.settings import load_settings
from msaas.telemetry import Metrics
from msaas.testing import FakeClock, wait_until
from msaas.web import build_scope_state

LOOPBACK = "127.0.0.1"
ANON_KEY = "the-anon-key"
PASSWORD = "correct horse"
VERSION = {"x-supabase-api-version": "2024-01-01"}
HIGH_LIMIT = "1000"


@pytest.fixture(autouse=True)
def _logs_go_nowhere() -> Iterator[None]:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[])
    yield
    structlog.reset_defaults()


@dataclass
class Identity:
    """A client of the server, and what a test may do behind its back."""

    app: ASGIApp
    client: httpx.AsyncClient
    clock: FakeClock
    database_url: str
    metrics: Metrics
    stack: AsyncExitStack = field(repr=False)

    async def from_address(self, address: str) -> httpx.AsyncClient:
        return await self.stack.enter_async_context(build_client(self.app, address))

    async def sign_up(self, email: str = "a@example.com", **more: Any) -> dict[str, Any]:
        body = {"email": email, "password": PASSWORD, **more}
        answer = await self.client.post("/signup", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def sign_in(
        self, email: str = "a@example.com", *, password: str | None = None
    ) -> httpx.Response:
        return await self.token("password", email=email, password=password or PASSWORD)

    async def refresh(self, token: str) -> httpx.Response:
        return await self.token("refresh_token", refresh_token=token)

    async def token(self, grant: str, **body: str) -> httpx.Response:
        return await self.client.post("/token", params={"grant_type": grant}, json=body)

    async def user(self, session: Mapping[str, Any]) -> httpx.Response:
        return await self.client.get("/user", headers=bearer(session))

    async def update(self, session: Mapping[str, Any], **change: Any) -> httpx.Response:
        return await self.client.put("/user", headers=bearer(session), json=change)

    async def sign_out(self, session: Mapping[str, Any], scope: str) -> httpx.Response:
        return await self.client.post("/logout", params={"scope": scope}, headers=bearer(session))

    async def execute(self, sql: str, *values: object) -> None:
        connection = await asyncpg.connect(self.database_url)
        try:
            await connection.execute(sql, *values)
        finally:
            await connection.close()


def bearer(session: Mapping[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {session['access_token']}"}


def build_client(app: ASGIApp, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1234))
    headers = {"apikey": ANON_KEY, **VERSION}
    return httpx.AsyncClient(
        transport=transport, base_url="http://identity/auth/v1", headers=headers
    )


@pytest.fixture
def settings(database_url: str) -> Settings:
    return load_settings(
        Settings,
        {
            "ENVIRONMENT": "test",
            "DATABASE_URL": database_url,
            "IDENTITY_ANON_KEY": ANON_KEY,
            "IDENTITY_PUBLIC_URL": "http://identity/",
            "IDENTITY_SIGN_INS_PER_MINUTE": HIGH_LIMIT,
        },
    )


StartServer = Callable[[Settings], Any]


@pytest.fixture
async def start(fake_clock: FakeClock) -> AsyncIterator[StartServer]:
    """Start a server in process with settings of the test's own."""
    async with AsyncExitStack() as stack:

        async def run(settings: Settings) -> Identity:
            url = settings.database_url.get_secret_value()
            metrics = Metrics("identity", "test")
            database = await stack.enter_async_context(Database(PostgresConfig(url), metrics))
            await prepare_database(database, fake_clock)
            passwords = Argon2Passwords()
            stack.callback(passwords.close)
            service = build_service(settings, database, passwords, metrics, fake_clock)
            inner = build_app(settings, database, metrics, fake_clock)

            async def app(scope: Scope, receive: Receive, send: Send) -> None:
                scope.setdefault("state", {}).update(build_scope_state(service))
                await inner(scope, receive, send)

            client = await stack.enter_async_context(build_client(app, "192.0.2.1"))
            return Identity(app, client, fake_clock, url, metrics, stack)

        yield run


@pytest.fixture
async def identity(start: StartServer, settings: Settings) -> Identity:
    return await start(settings)


@dataclass(frozen=True)
class RunningServer:
    """The server as the fleet runs it."""

    url: str
    internal_url: str
    environment: Mapping[str, str]

    async def command(
        self, *words: str, given: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "msaas.identity", *words],
            env={**self.environment, **environment},
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
async def running(database_url: str) -> AsyncIterator[RunningServer]:
    port, internal_port = find_free_port(), find_free_port()
    url = f"http://{LOOPBACK}:{port}"
    environment = {
        **os.environ,
        "ENVIRONMENT": "test",
        "DATABASE_URL": database_url,
        "IDENTITY_ANON_KEY": ANON_KEY,
        "IDENTITY_PUBLIC_URL": url,
        "IDENTITY_PORT": str(port),
        "IDENTITY_INTERNAL_PORT": str(internal_port),
        "IDENTITY_SIGN_INS_PER_MINUTE": HIGH_LIMIT,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "msaas.identity", "serve"),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
    )
    internal_url = f"http://{LOOPBACK}:{internal_port}"
    try:
        async with httpx.AsyncClient() as client:
            await wait_until(lambda: is_ready(client, internal_url))
        yield RunningServer(url, internal_url, environment)
    finally:
        process.send_signal(signal.SIGTERM)
        code = await process.wait()
    assert code == 0


async def is_ready(client: httpx.AsyncClient, internal_url: str) -> bool:
    try:
        return (await client.get(f"{internal_url}/health/ready")).status_code == 200
    except httpx.TransportError:
        return False
