"""A server for applications that sign users in."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import structlog
from fastapi import FastAPI

from msaas.telemetry import Metrics
from msaas.web.server import HttpServer, bind_socket


@pytest.fixture(autouse=True)
def _discard_logs() -> Iterator[None]:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[])
    yield
    structlog.reset_defaults()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("auth-tests", "test")


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the application `app` of the test module over a real socket."""
    started = asyncio.Event()
    with bind_socket("127.0.0.1", 0) as listener:
        server = HttpServer(app, drain_seconds=1, on_started=started.set)
        serving = asyncio.create_task(server.serve([listener]))
        await started.wait()
        host, port = listener.getsockname()
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}/api/v1", timeout=60) as client:
            yield client
        server.should_exit = True
        await serving
