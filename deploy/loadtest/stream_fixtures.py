"""Fixtures of the stream benchmark: a gateway and a baseline on one log, tokens, events."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from uuid import UUID, uuid4

import httpx
import psutil
from goals import get_pid
from joserfc import jwt
from joserfc.jwk import ECKey
from measured_processes import cpu_seconds, running
from stream_readers import build_stream_request

from msaas.contracts import JobChanged, JobFrame, JobStatus, get_topic
from msaas.dev.chaos.isolated_fleet import IsolatedFleet
from msaas.embedded import find_free_port
from msaas.local.credentials import LOCAL_ENVIRONMENT
from msaas.streams import StreamPublisher

LOOPBACK = "127.0.0.1"
EVENTS = get_topic("jobs.events")
BASELINE_SCRIPT = Path(__file__).with_name("baseline_stream.py")


class Issuer:
    """Issues tokens in place of the identity service, which would have to sign in 1,000 users."""

    def __init__(self, url: str, key: ECKey) -> None:
        self.url = url
        self._key = key

    @classmethod
    @asynccontextmanager
    async def serving(cls) -> AsyncGenerator[Self]:
        key = ECKey.generate_key("P-256", {"kid": "bench"})
        body = json.dumps({"keys": [key.as_dict(private=False)]}).encode()
        head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)

        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head + body)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(respond, LOOPBACK, 0) as server:
            yield cls("http://{}:{}".format(*server.sockets[0].getsockname()), key)

    def token(self, user_id: UUID) -> str:
        now = int(time.time())
        claims = {
            "iss": f"{self.url}/auth/v1",
            "aud": "authenticated",
            "role": "authenticated",
            "sub": str(user_id),
            "iat": now,
            "exp": now + 4 * 3600,
        }
        return jwt.encode({"alg": "ES256", "kid": "bench"}, claims, self._key, algorithms=["ES256"])


@dataclass(frozen=True)
class StreamServer:
    """A process that serves event streams."""

    name: str
    process: psutil.Process
    port: int
    build_request: Callable[[UUID], bytes]
    internal_port: int = 0
    host: str = LOOPBACK

    def cpu(self) -> float:
        return cpu_seconds(self.process.pid)

    def memory(self) -> int:
        return self.process.memory_full_info().uss

    async def leftover_resources(self) -> dict[str, float]:
        """Return its resources once all connections are closed."""
        async with asyncio.timeout(30):
            while self._connections():
                await asyncio.sleep(0.1)
        async with httpx.AsyncClient(timeout=10) as client:
            text = (await client.get(f"http://{LOOPBACK}:{self.internal_port}/metrics")).text
        values = {line.partition("{")[0]: line.rpartition(" ")[2] for line in text.splitlines()}
        return {
            "streams": float(values["msaas_sse_connections"]),
            "tasks": float(values["msaas_process_tasks"]),
            "connections": float(self._connections()),
            "open files": float(self.process.num_fds()),
            "MiB": self.memory() / 2**20,
        }

    def _connections(self) -> int:
        connections = self.process.net_connections("tcp")
        return sum(c.laddr.port == self.port and c.raddr != () for c in connections)


class StreamFixture:
    def __init__(self, fleet: IsolatedFleet, publisher: StreamPublisher) -> None:
        self._fleet = fleet
        self._publisher = publisher

    @asynccontextmanager
    async def gateway(self, name: str, issuer: Issuer) -> AsyncGenerator[StreamServer]:
        """Run another gateway in the fleet, with tokens of `issuer` and a high stream limit."""
        port, internal_port = find_free_port(), find_free_port()
        environment = {
            **psutil.Process(get_pid(self._fleet, "gateway")).environ(),
            "SUPABASE_URL": issuer.url,
            "GATEWAY_PORT": str(port),
            "GATEWAY_INTERNAL_PORT": str(internal_port),
            "GATEWAY_STREAMS_PER_PROCESS": "5000",
            "GATEWAY_STREAMS_PER_USER": "100",
            "LOG_LEVEL": "WARNING",
        }
        command = (sys.executable, "-m", "msaas.gateway", "serve")
        tokens: dict[UUID, str] = {}

        def build_request(user_id: UUID) -> bytes:
            token = tokens.setdefault(user_id, "") or issuer.token(user_id)
            tokens[user_id] = token
            return build_stream_request(LOOPBACK, f"Bearer {token}")

        async with running(command, environment, internal_port, "/health/ready") as process:
            yield StreamServer(name, process, port, build_request, internal_port)

    @asynccontextmanager
    async def baseline(self, name: str) -> AsyncGenerator[StreamServer]:
        port = find_free_port()
        [key] = EVENTS.keys(LOCAL_ENVIRONMENT)
        command = (
            sys.executable,
            "-P",
            str(BASELINE_SCRIPT),
            self._fleet.url("redis"),
            key,
            str(port),
        )

        def build_request(user_id: UUID) -> bytes:
            return build_stream_request(LOOPBACK, "none", f"/stream?user_id={user_id}")

        async with running(command, dict(os.environ), port, "/") as process:
            yield StreamServer(name, process, port, build_request)

    async def publish_events(
        self, users: Sequence[UUID], count: int, step: float, sent: dict[str, float]
    ) -> None:
        """Publish job events at a steady rate, and store the time of each in `sent`."""
        started_at = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                await asyncio.sleep(max(0.0, started_at + number * step - time.perf_counter()))
                group.create_task(self._publish_event(users[number % len(users)], sent))

    async def _publish_event(self, user_id: UUID, sent: dict[str, float]) -> None:
        job_id, now = uuid4(), datetime.now(UTC)
        frame = JobFrame(id=job_id, status=JobStatus.RUNNING, attempts=0, updated_at=now)
        event = JobChanged(
            frame=frame, user_id=user_id, task_type="echo", version=1, correlation_id="bench"
        )
        sent[str(job_id)] = time.perf_counter()
        await self._publisher.publish("jobs.events", event, correlation_id="bench")
