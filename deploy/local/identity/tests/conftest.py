"""Starts the auth server in process under a fixed clock, and as a process of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import httpx
import pytest
import structlog
from identity_support import (
    ANON_KEY,
    HIGH_LIMIT,
    LOOPBACK,
    Identity,
    RunningServer,
    StartServer,
    build_client,
    is_ready,
)
from starlette.types import Receive, Scope, Send

from msaas.embedded import find_free_port
from msaas.identity.adapters.argon2_passwords import Argon2Passwords
from msaas.identity.bootstrap import build_app, build_service, prepare_database
from msaas.identity.settings import Settings
from msaas.postgres import Database, PostgresConfig
from msaas.settings import load_settings
from msaas.telemetry import Metrics
from msaas.testing import FakeClock, wait_until
from msaas.web import build_scope_state


@pytest.fixture(autouse=True)
def _discard_logs() -> Iterator[None]:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[])
    yield
    structlog.reset_defaults()


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


@pytest.fixture
async def start(fake_clock: FakeClock) -> AsyncIterator[StartServer]:
    """Start a server in process with the given settings."""
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
