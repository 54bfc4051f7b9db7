"""A server process from start to end: ports, readiness, signals, drain."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import httpx
import pytest
from fastapi import FastAPI

from msaas.embedded import find_free_port
from msaas.telemetry import Metrics
from msaas.testing import wait_until
from msaas.web import (
    Health,
    PortTaken,
    StartupFailed,
    create_app,
    create_internal_app,
    run_process,
    serve,
)
from msaas.web.process import ProcessWork

LOOPBACK = "127.0.0.1"
PROGRAM = """
import asyncio, sys
from fastapi import APIRouter
from msaas.telemetry import Metrics, configure_logging
from msaas.web import Health, create_app, create_internal_app, run, serve

configure_logging("example", "test")
router = APIRouter()
ports = [int(port) for port in sys.argv[1:]]

@router.get("/task")
async def work() -> str:
    print("working", flush=True)
    await asyncio.to_thread(sys.stdin.readline)  # the test decides when it ends
    return "done"

async def main() -> None:
    metrics, health = Metrics("example", "test"), Health({})
    app = create_app(title="example", metrics=metrics, routers=[router])
    await serve(
        app, address=("127.0.0.1", ports[0]), internal_app=create_internal_app(health, metrics),
        internal_address=("127.0.0.1", ports[1]), health=health, drain_seconds=600,
    )
    print("closed", flush=True)

run(main())
"""


class Process:
    """This process, with its own internal port."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.health = Health({})
        self.port = find_free_port()
        self.internal_app = create_internal_app(self.health, metrics)

    async def run(self, work: ProcessWork, drain_seconds: float = 0.1) -> None:
        await run_process(
            work,
            internal_app=self.internal_app,
            internal_address=(LOOPBACK, self.port),
            health=self.health,
            drain_seconds=drain_seconds,
        )

    async def serve(self, app: FastAPI, port: int = 0) -> None:
        await serve(
            app,
            address=(LOOPBACK, port),
            internal_app=self.internal_app,
            internal_address=(LOOPBACK, self.port),
            health=self.health,
            drain_seconds=1.0,
        )


@pytest.fixture
async def process(metrics: Metrics) -> Process:
    return Process(metrics)


async def read_state(port: int) -> str:
    try:
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.get(f"http://{LOOPBACK}:{port}/health/ready")
    except httpx.TransportError:
        return "unreachable"
    return answer.json()["status"]


async def is_in_state(port: int, state: str) -> bool:
    return await read_state(port) == state


async def is_refusing(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except ConnectionRefusedError:
        return True
    writer.close()
    await writer.wait_closed()
    return False


@asynccontextmanager
async def running_program(*ports: int) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *map(str, ports)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_sigterm_finishes_what_is_in_flight_and_takes_nothing_new() -> None:
    public, internal = find_free_port(), find_free_port()
    async with (
        running_program(public, internal) as process,
        httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{public}", timeout=60) as client,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        await wait_until(lambda: is_in_state(internal, "ok"))
        in_flight = asyncio.create_task(client.get("/task"))
        assert await process.stdout.readline() == b"working\n"
        process.send_signal(signal.SIGTERM)
        await wait_until(lambda: is_in_state(internal, "draining"))
        await wait_until(lambda: is_refusing(public))
        assert not in_flight.done()
        process.stdin.write(b"\n")
        answer = await in_flight
        assert (answer.status_code, answer.json()) == (200, "done")
        output, _ = await process.communicate()
    assert process.returncode == 0
    assert b"process_drain_began" in output
    assert output.endswith(b"closed\n")


async def test_the_internal_port_of_a_stopping_worker_serves_to_the_end(
    process: Process,
) -> None:
    seen: list[str] = []

    async def work(stop: asyncio.Event) -> None:
        process.health.start()
        await stop.wait()
        seen.append(await read_state(process.port))

    running = asyncio.create_task(process.run(work))
    await wait_until(lambda: is_in_state(process.port, "ok"))
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    assert seen == ["draining"]
    assert await read_state(process.port) == "unreachable"


async def test_a_worker_that_does_not_stop_is_stopped(process: Process) -> None:
    ended = asyncio.Event()

    async def work(_stop: asyncio.Event) -> None:
        process.health.start()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    running = asyncio.create_task(process.run(work))
    await wait_until(lambda: is_in_state(process.port, "ok"))
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    assert ended.is_set()


async def test_a_second_signal_does_not_wait(process: Process) -> None:
    async def work(stop: asyncio.Event) -> None:
        await stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    running = asyncio.create_task(process.run(work, drain_seconds=60))
    await wait_until(lambda: is_in_state(process.port, "starting"))
    os.kill(os.getpid(), signal.SIGINT)
    await running
    assert process.health.draining.is_set()


async def test_an_error_of_the_work_ends_the_process_with_it(process: Process) -> None:
    async def work(_stop: asyncio.Event) -> None:
        raise RuntimeError("no work today")

    with pytest.raises(RuntimeError, match="no work today"):
        await process.run(work)
    assert await read_state(process.port) == "unreachable"


async def test_a_taken_port_is_named_before_anything_starts(process: Process) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"{LOOPBACK}:{port}"):
            await process.serve(FastAPI(), port=port)


async def test_a_lifespan_that_fails_fails_the_process(process: Process) -> None:
    def lifespan(_app: FastAPI) -> AbstractAsyncContextManager[dict[str, object]]:
        raise RuntimeError("no database")

    app = create_app(title="broken", metrics=process.metrics, lifespan=lifespan)
    with pytest.raises(StartupFailed):
        await process.serve(app)
    assert await read_state(process.port) == "unreachable"


async def test_serving_ends_the_lifespan(process: Process) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[dict[str, object]]:
        events.append("opened")
        yield {}
        events.append("closed")

    app = create_app(title="whole", metrics=process.metrics, lifespan=lifespan)
    serving = asyncio.create_task(process.serve(app))
    await wait_until(lambda: is_in_state(process.port, "ok"))
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    assert events == ["opened", "closed"]
