"""The auth server in process under a fixed clock, and as a process: what the tests share."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
from starlette.types import ASGIApp

from msaas.identity.settings import Settings
from msaas.telemetry import Metrics
from msaas.testing import FakeClock

LOOPBACK = "127.0.0.1"
ANON_KEY = "the-anon-key"
PASSWORD = "correct horse"
VERSION = {"x-supabase-api-version": "2024-01-01"}
HIGH_LIMIT = "1000"


@dataclass
class Identity:
    """A client of the server, with direct access to its database."""

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


StartServer = Callable[[Settings], Awaitable[Identity]]


@dataclass(frozen=True)
class RunningServer:
    """The server as the fleet runs it."""

    url: str
    internal_url: str
    environment: Mapping[str, str]

    async def command(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "msaas.identity", *arguments],
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


async def is_ready(client: httpx.AsyncClient, internal_url: str) -> bool:
    try:
        return (await client.get(f"{internal_url}/health/ready")).status_code == 200
    except httpx.TransportError:
        return False
