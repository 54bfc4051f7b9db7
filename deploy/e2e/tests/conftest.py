"""A fleet of its own for these tests, and the ways to disturb it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import psutil
import pytest
import pytest_asyncio
import redis.asyncio

from msaas.cli.api_client import ApiClient
from msaas.local import Home
from msaas.local.running import RunningFleet, get_running
from msaas.local.state import PartState, find_state
from msaas.testing.shared_servers import SharedServers

PASSWORD = "correct horse battery"
# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.asyncio.Redis

AUDIT = """
SELECT
  (SELECT count(*) FROM jobs.jobs WHERE finished_at IS NULL) AS unfinished,
  (SELECT count(*) FROM jobs.jobs WHERE reserved) AS reserved,
  (SELECT count(*) FROM jobs.jobs WHERE status = 'COMPLETED' AND billable) AS completed,
  (SELECT count(*) FROM jobs.usage_events WHERE kind = 'job_completed') AS events,
  (SELECT count(DISTINCT job_id) FROM jobs.usage_events WHERE kind = 'job_completed') AS charged,
  (SELECT coalesce(sum(jobs_used), 0) FROM jobs.usage_counters) AS used,
  (SELECT coalesce(sum(jobs_reserved), 0) FROM jobs.usage_counters) AS held,
  (SELECT count(*) FROM jobs.usage_events e WHERE hash IS DISTINCT FROM jobs.usage_hash(
    e.subject_id, e.seq, e.job_id, e.quantity, e.occurred_at, e.prev_hash)) AS forged
"""


class Fleet:
    """One running fleet and what a test may do to it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        # Every test signs in as somebody new, and all come from one address.
        generous = {"IDENTITY_SIGN_INS_PER_MINUTE": "1000"}
        self.environment = {**os.environ, "MSAAS_HOME": str(home.path), **generous}

    def msaas(self, *words: str, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "msaas.cli", *words, timeout=timeout)

    def python(self, *words: str, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    @property
    def running(self) -> RunningFleet:
        return get_running(self.environment)

    def part(self, name: str) -> PartState:
        state = find_state(self.home.state_path)
        return next(part for part in (state.parts if state else []) if part.name == name)

    def url(self, name: str) -> str:
        return str(self.part(name).url)

    def is_up(self) -> bool:
        return self.python("-m", "msaas.local", "status").returncode == 0

    def send(self, name: str, wanted: signal.Signals) -> None:
        """Reach the process and whatever it has started."""
        process = self.part(name).process
        if process is None:
            return
        first = psutil.Process(process.pid)
        for member in (first, *first.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # its parent took it along
                member.send_signal(wanted)

    def kill(self, name: str) -> None:
        self.send(name, signal.SIGKILL)

    async def fetch(self, query: str, *values: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            return await connection.fetch(query, *values)
        finally:
            await connection.close()

    async def flush_redis(self) -> None:
        async with _Redis.from_url(self.url("redis")) as client:
            await client.flushall()

    async def has_settled(self) -> bool:
        """Tell whether every accepted job has come to its end."""
        try:
            [row] = await self.fetch(AUDIT)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return row["unfinished"] == 0

    async def audit(self) -> None:
        """Prove that what was charged is what was completed, once each."""
        [row] = await self.fetch(AUDIT)
        assert row["unfinished"] == row["reserved"] == row["held"] == row["forged"] == 0, row
        assert row["completed"] == row["events"] == row["charged"] == row["used"], row

    def make_user(self, plan: str) -> str:
        email = f"{uuid4().hex}@example.com"
        words = ["seed-user", "--email", email, "--password-env", "PASSWORD", "--plan", plan]
        settings = {"DATABASE_URL": self.running.identity_database_url, "ENVIRONMENT": "local"}
        subprocess.run(
            [sys.executable, "-m", "msaas.identity", *words],
            env={**self.environment, **settings, "PASSWORD": PASSWORD},
            check=True,
        )
        return email


@pytest.fixture(scope="session")
def fleet(servers: SharedServers) -> Iterator[Fleet]:
    folder: Path = servers.new_folder("fleet")
    folder.mkdir(mode=0o711)
    fleet = Fleet(Home(folder / "home"))
    up = fleet.python("-m", "msaas.local", "up", "--detach")
    assert up.returncode == 0, up.stdout + up.stderr
    yield fleet
    fleet.python("-m", "msaas.local", "down")


@pytest_asyncio.fixture
async def sign_in(fleet: Fleet) -> AsyncIterator[Callable[..., Any]]:
    """Return a way to be somebody new, with a plan."""
    async with AsyncExitStack() as stack:

        async def sign_in_(plan: str = "ENTERPRISE") -> ApiClient:
            running = fleet.running
            email = await asyncio.to_thread(fleet.make_user, plan)
            api = ApiClient(running.gateway_url, running.supabase_url, running.anon_key)
            await stack.enter_async_context(api)
            await api.sign_in(email, PASSWORD)
            await api.me()
            return api

        yield sign_in_
