"""A fleet in a temporary folder, and the faults that can be injected into it."""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import psutil

from msaas.contracts import Plan
from msaas.dev.chaos.effects import EFFECTS_VARIABLE, read_effects
from msaas.dev.workspace import module_command
from msaas.embedded import ServerNotStarted
from msaas.identity.bootstrap import seed_user
from msaas.identity.settings import Settings
from msaas.local import Home
from msaas.local.running_fleet import RunningFleet, get_running_fleet
from msaas.local.state import PartState, find_state
from msaas.settings import load_settings

PASSWORD = "correct horse battery"  # noqa: S105  # of users who live as long as this fleet
_START_TIMEOUT = 600.0  # a busy machine takes ten times as long as a quiet one
_STRIPE_TIMEOUT = 60.0
_UNFINISHED = "SELECT count(*) FROM jobs.jobs WHERE finished_at IS NULL"


class IsolatedFleet:
    """One running fleet that tests may disturb."""

    def __init__(
        self,
        home: Home,
        start_command: Sequence[str] = (*module_command("msaas.local"), "up", "--detach"),
        *,
        with_dashboard: bool = False,
    ) -> None:
        self.home = home
        self._start_command = start_command
        self._effects = home.path / "effects.log"
        # Every scenario creates users, and all of them sign in from one address.
        high_limits = {
            "IDENTITY_SIGN_INS_PER_MINUTE": "1000",
            "GATEWAY_RATE_LIMITS_ENFORCED": "false",
        }
        own = {
            "MSAAS_HOME": str(home.path),
            "MSAAS_DASHBOARD": "on" if with_dashboard else "off",
            EFFECTS_VARIABLE: str(self._effects),
        }
        self.environment = {**os.environ, **own, **high_limits}

    def start(self) -> None:
        up = self.run(*self._start_command)
        if up.returncode:
            raise ServerNotStarted(f"The fleet did not start.\n{up.stdout}{up.stderr}")

    def local(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(*module_command("msaas.local"), *words)

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={**self.environment, **settings},
            capture_output=True,
            text=True,
            timeout=_START_TIMEOUT,
            check=False,
        )

    @property
    def running(self) -> RunningFleet:
        return get_running_fleet(self.environment)

    @property
    def _parts(self) -> list[PartState]:
        state = find_state(self.home.state_path)
        return state.parts if state else []

    def part(self, name: str) -> PartState:
        return next(part for part in self._parts if part.name == name)

    def url(self, name: str) -> str:
        return str(self.part(name).url)

    def is_up(self) -> bool:
        parts = self._parts
        return bool(parts) and all(
            part.ready and (part.process is None or part.process.alive) for part in parts
        )

    def send(self, name: str, sent: signal.Signals) -> None:
        """Send a signal to the process of a part and to its children."""
        process = self.part(name).process
        if process is None:
            return
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(process.pid)
            for member in (parent, *parent.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):  # it ended with its parent
                    member.send_signal(sent)

    def kill(self, name: str) -> None:
        self.send(name, signal.SIGKILL)

    async def flush_redis(self) -> None:
        """Send FLUSHALL over a plain connection: the broker's client offers no such command."""
        url = urlsplit(self.url("redis"))
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        password = unquote(url.password or "")
        writer.write(f"AUTH default {password}\r\nFLUSHALL\r\n".encode())
        answers = [await reader.readline() for _ in range(2)]
        writer.close()
        if answers != [b"+OK\r\n"] * 2:
            raise ServerNotStarted("Redis was not flushed.")

    def read_effects(self) -> Mapping[str, Counter[UUID]]:
        return read_effects(self._effects)

    async def control_stripe(self, name: str, **given: object) -> None:
        """Make something happen at the stand-in for Stripe."""
        url = f"{self.url('stripe')}/_control/{name}"
        async with httpx.AsyncClient(trust_env=False, timeout=_STRIPE_TIMEOUT) as http:
            (await http.post(url, json=given)).raise_for_status()

    async def fetch(self, query: str, *values: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            return await connection.fetch(query, *values)
        finally:
            await connection.close()

    async def has_settled(self) -> bool:
        """Return whether every accepted job has finished."""
        try:
            [[unfinished]] = await self.fetch(_UNFINISHED)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return unfinished == 0

    async def make_user(self, plan: str) -> str:
        email = f"{uuid4().hex}@example.com"
        given = {"DATABASE_URL": self.running.identity_database_url, "ENVIRONMENT": "local"}
        await seed_user(load_settings(Settings, given), email, PASSWORD, plan=Plan(plan), role=None)
        return email


@contextmanager
def start_fleet() -> Generator[IsolatedFleet]:
    """Start a fleet of replicas and counting workers in a temporary folder; stop it at the end."""
    with _temporary_home() as home:
        fleet = IsolatedFleet(home, module_command("msaas.dev.chaos.launcher"))
        with _running(fleet):
            yield fleet


@contextmanager
def start_dashboard_fleet() -> Generator[IsolatedFleet]:
    """Start what `up` starts, with the dashboard, in a temporary folder; stop it at the end."""
    with _temporary_home() as home:
        fleet = IsolatedFleet(home, with_dashboard=True)
        with _running(fleet):
            yield fleet


@contextmanager
def _temporary_home() -> Generator[Home]:
    with tempfile.TemporaryDirectory(prefix="msaas-fleet-") as folder:
        Path(folder).chmod(0o711)
        yield Home(Path(folder) / "home")


@contextmanager
def _running(fleet: IsolatedFleet) -> Generator[None]:
    try:
        fleet.start()
        yield
    finally:
        fleet.local("down", "--wipe")
