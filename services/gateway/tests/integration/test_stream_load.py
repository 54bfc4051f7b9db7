"""Real gateway processes with thousands of readers, slow readers, and readers that never read."""

import asyncio
import os
import re
import socket
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import psutil
import pytest
import pytest_asyncio
from services.gateway.tests.conftest import FakeIssuer

from msaas.contracts import JobChanged, JobFrame, JobStatus
from msaas.embedded import find_free_port
from msaas.gateway.settings import Settings
from msaas.streams import RedisBroker, StreamPublisher
from msaas.testing import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LOOPBACK = "127.0.0.1"


class Reader(asyncio.Protocol):
    """One stream on a bare connection: stores what it receives, and reads on unless paused."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.closed = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(exc)

    @property
    def status(self) -> int:
        return int(self.received[9:12] or 0)

    def count(self, event: str) -> int:
        return self.received.count(f"event: {event}\n".encode())


@dataclass(frozen=True)
class GatewayProcess:
    process: psutil.Process
    port: int
    internal_port: int
    readers: list[Reader]

    async def read(self, token: str, *, last: str = "", window: int = 0) -> Reader:
        """Request the stream; a small `window` limits the bytes in flight."""
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if window:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        made.setblocking(False)  # noqa: FBT003  # the socket's API
        loop = asyncio.get_running_loop()
        await loop.sock_connect(made, (LOOPBACK, self.port))
        _, reader = await loop.create_connection(Reader, sock=made)
        self.readers.append(reader)
        header = f"last-event-id: {last}\r\n" if last else ""
        head = f"GET /api/v1/jobs/stream HTTP/1.1\r\nhost: {LOOPBACK}\r\n{header}"
        reader.transport.write(f"{head}authorization: Bearer {token}\r\n\r\n".encode())
        return reader

    async def read_all(self, tokens: Sequence[str], *, last: str = "") -> list[Reader]:
        readers: list[Reader] = []
        for start in range(0, len(tokens), 100):
            some = tokens[start : start + 100]
            readers += await asyncio.gather(*(self.read(token, last=last) for token in some))
        return readers

    async def read_metric(self, name: str, label: str = "") -> float:
        """Add up the series of one name, or those of them that have the label."""
        async with httpx.AsyncClient(timeout=60) as http:
            answer = await http.get(f"http://{LOOPBACK}:{self.internal_port}/metrics")
        lines = [line for line in answer.text.splitlines() if line.startswith(f"{name}{{")]
        return sum(float(line.rpartition(" ")[2]) for line in lines if label in line)

    async def open_count(self) -> float:
        return await self.read_metric("msaas_sse_connections")

    def sockets(self) -> int:
        """Count the connections that the process has open."""
        found = self.process.net_connections("tcp")
        return sum(
            connection.laddr.port == self.port and connection.raddr != () for connection in found
        )

    async def is_ready(self) -> bool:
        try:
            async with httpx.AsyncClient(timeout=60) as http:
                answer = await http.get(f"http://{LOOPBACK}:{self.internal_port}/health/ready")
        except httpx.TransportError:
            return False
        return answer.is_success


@asynccontextmanager
async def run_gateway(
    settings: Settings, redis_url: str, **more: str
) -> AsyncGenerator[GatewayProcess]:
    """Run a process with the settings of a test, on a Redis whose keys are not checked."""
    port, internal_port = find_free_port(), find_free_port()
    environment = {
        **os.environ,
        "ENVIRONMENT": "test",
        "LOG_LEVEL": "WARNING",
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "GATEWAY_READ_DATABASE_URL": settings.read_database_url.get_secret_value(),
        "REDIS_URL": redis_url,
        "SUPABASE_URL": settings.supabase_url,
        "GATEWAY_RATE_LIMITS_ENFORCED": "false",
        "GATEWAY_PORT": str(port),
        "GATEWAY_INTERNAL_PORT": str(internal_port),
        **more,
    }
    command = (sys.executable, "-m", "msaas.gateway", "serve")
    running = await asyncio.create_subprocess_exec(*command, env=environment)
    gateway = GatewayProcess(psutil.Process(running.pid), port, internal_port, [])
    try:
        await wait_until(gateway.is_ready, timeout=60)
        yield gateway
    finally:
        for reader in gateway.readers:
            reader.transport.abort()
        with suppress(ProcessLookupError):
            running.terminate()
        async with asyncio.timeout(40):
            await running.wait()


class EventPublisher:
    """Publishes job events, as the jobs service does."""

    def __init__(self, publisher: StreamPublisher) -> None:
        self._publisher = publisher

    async def publish_many(self, user_id: UUID, count: int, *, why: str | None = None) -> None:
        await asyncio.gather(*(self._publish(user_id, why) for _ in range(count)))

    async def _publish(self, user_id: UUID, why: str | None) -> None:
        frame = JobFrame(
            id=(job_id := uuid4()),
            status=JobStatus.RUNNING,
            attempts=0,
            updated_at=datetime.now(UTC),
            last_error=why,
        )
        event = JobChanged(
            frame=frame, user_id=user_id, task_type="echo", version=1, correlation_id=str(job_id)
        )
        assert await self._publisher.publish("jobs.events", event, correlation_id="c")


@pytest.fixture
def own_redis(private_redis: Callable[..., Any]) -> str:
    return private_redis().url


@pytest_asyncio.fixture
async def event_publisher(own_redis: str) -> AsyncIterator[EventPublisher]:
    broker = RedisBroker(own_redis, command_timeout=10)
    publisher = StreamPublisher(broker, "jobs", "test")
    yield EventPublisher(publisher)
    await publisher.close()
    await broker.close()


async def wait_for_hellos(readers: Sequence[Reader]) -> None:
    """Wait until each stream has begun or was refused; none may be refused."""
    await wait_until(
        lambda: all(reader.count("hello") or reader.closed.done() for reader in readers), timeout=90
    )
    assert Counter(reader.status for reader in readers) == {200: len(readers)}


def jobs_in(reader: Reader) -> list[bytes]:
    return re.findall(rb'event: job\ndata: {"id":"([^"]+)"', bytes(reader.received))


def last_position(reader: Reader) -> str:
    return re.findall(rb"id: (\d+-\d+)\n", bytes(reader.received))[-1].decode()


async def test_two_thousand_streams_reconnect_and_leave_nothing_behind(
    gateway_settings: Settings, own_redis: str, issuer: FakeIssuer, event_publisher: EventPublisher
) -> None:
    users = [uuid4() for _ in range(20)]
    tokens = [issuer.token(user) for user in users] * 100
    caps = {"GATEWAY_STREAMS_PER_USER": "101", "GATEWAY_STREAMS_PER_PROCESS": "2000"}
    async with run_gateway(gateway_settings, own_redis, **caps) as gateway:
        tasks_before = await gateway.read_metric("msaas_process_tasks")
        readers = await gateway.read_all(tokens)
        await wait_for_hellos(readers)
        refused = await gateway.read(tokens[0])
        await wait_until(lambda: refused.status)
        assert refused.status == 503
        await event_publisher.publish_many(users[0], 3)
        theirs = readers[::20]
        await wait_until(lambda: all(reader.count("job") == 3 for reader in theirs))
        assert sum(reader.count("job") for reader in readers) == 300
        # All disconnect at once, an event is published, and all reconnect at their last position.
        position = last_position(theirs[0])
        for reader in readers:
            reader.transport.abort()
        await event_publisher.publish_many(users[0], 2)
        back = await gateway.read_all(tokens, last=position)
        await wait_for_hellos(back)
        assert [reader.count("job") for reader in back] == [2, *[0] * 19] * 100
        for reader in (*back, refused):
            reader.transport.abort()
        await wait_until(lambda: gateway.sockets() == 0)
        assert await gateway.open_count() == 0
        assert await gateway.read_metric("msaas_process_tasks") <= tasks_before
        assert await gateway.read_metric("msaas_sse_ended_total", 'reason="left"') == 4_000


async def test_readers_that_do_not_read_are_disconnected_and_delay_no_other(
    gateway_settings: Settings, own_redis: str, issuer: FakeIssuer, event_publisher: EventPublisher
) -> None:
    user = uuid4()
    caps = {"GATEWAY_STREAMS_PER_USER": "30"}
    async with run_gateway(gateway_settings, own_redis, **caps) as gateway:
        good = await gateway.read(issuer.token(user))
        slow = [await gateway.read(issuer.token(user), window=4_096) for _ in range(20)]
        await wait_until(lambda: all(reader.count("hello") for reader in (good, *slow)))
        for reader in slow:
            reader.transport.pause_reading()
        for published in range(50, 1_501, 50):
            await event_publisher.publish_many(user, 50, why="x" * 400)
            await wait_until(lambda published=published: good.count("job") == published)
        ended = "msaas_sse_ended_total"

        async def all_cut() -> bool:
            return await gateway.read_metric(ended) == 20

        await wait_until(all_cut, timeout=60)
        assert await gateway.read_metric(ended, 'reason="lagged"') == 20
        await wait_until(lambda: gateway.sockets() == 1)
        assert (await gateway.open_count(), good.count("resync")) == (1, 0)


async def test_every_process_shows_the_same_events_and_continues_from_any_position(
    gateway_settings: Settings, own_redis: str, issuer: FakeIssuer, event_publisher: EventPublisher
) -> None:
    user = uuid4()
    token = issuer.token(user)
    async with (
        run_gateway(gateway_settings, own_redis) as one,
        run_gateway(gateway_settings, own_redis) as other,
    ):
        here, there = await one.read(token), await other.read(token)
        await wait_until(lambda: here.count("hello") and there.count("hello"))
        await event_publisher.publish_many(user, 40)
        await wait_until(lambda: here.count("job") == there.count("job") == 40)
        assert jobs_in(here) == jobs_in(there)
        position = last_position(here)
        here.transport.abort()
        await event_publisher.publish_many(user, 7)
        moved = await other.read(token, last=position)
        await wait_until(lambda: moved.count("job") == 7 and there.count("job") == 47)
        assert jobs_in(moved) == jobs_in(there)[40:]


async def test_an_ending_process_gives_its_readers_a_reconnect_delay(
    gateway_settings: Settings, own_redis: str, issuer: FakeIssuer
) -> None:
    caps = {"GATEWAY_STREAMS_PER_USER": "300", "GATEWAY_STREAMS_PER_PROCESS": "300"}
    async with run_gateway(gateway_settings, own_redis, **caps) as gateway:
        readers = await gateway.read_all([issuer.token(uuid4())] * 300)
        await wait_for_hellos(readers)
        gateway.process.terminate()
        await asyncio.gather(*(reader.closed for reader in readers))
        times = [re.findall(rb"retry: (\d+)", bytes(reader.received)) for reader in readers]
        assert {len(delays) for delays in times} == {2}
        assert len({delays[-1] for delays in times}) > 100
        assert all(bytes(reader.received).endswith(b"\r\n0\r\n\r\n") for reader in readers)


async def test_a_reader_that_keeps_sending_is_disconnected(
    gateway_settings: Settings, own_redis: str, issuer: FakeIssuer
) -> None:
    async with run_gateway(gateway_settings, own_redis) as gateway:
        loop = asyncio.get_running_loop()
        _, reader = await loop.create_connection(Reader, LOOPBACK, gateway.port)
        gateway.readers.append(reader)
        head = "GET /api/v1/jobs/stream HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n"
        token = issuer.token(uuid4())
        reader.transport.write(f"{head}authorization: Bearer {token}\r\n\r\n".encode())
        await wait_until(lambda: reader.count("hello"))
        chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        for _ in range(20):
            reader.transport.write(chunk)
        await reader.closed
        assert await gateway.open_count() == 0
