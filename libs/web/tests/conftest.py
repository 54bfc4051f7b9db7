"""An application with routes that fail in every way, in process and behind a real server."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import httpx
import pytest
import structlog
from fastapi import APIRouter, Body, Depends, FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from msaas.kernel import DependencyUnavailable, ErrorKind, MsaasError, Overloaded
from msaas.telemetry import Metrics, get_logger
from msaas.web import create_app, read_state
from msaas.web.server import HttpServer, bind_socket

BODY_LIMIT = 2_000


class Engine(BaseModel):
    power: int


class Car(BaseModel):
    name: str = Field(max_length=10)
    engine: Engine


@dataclass(frozen=True)
class Settings:
    answer: int


class QuotaExceeded(MsaasError):
    code: ClassVar[str] = "quota_exceeded"
    kind: ClassVar[ErrorKind] = ErrorKind.PAYMENT_REQUIRED
    default_message: ClassVar[str] = "All jobs of this period are used."


class UnknownCode(MsaasError):
    """An error whose code is not in the problem table."""

    code: ClassVar[str] = "cars_unknown_code"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT


class Bug(MsaasError):
    default_message: ClassVar[str] = "internal-detail"


ERRORS: Mapping[str, Exception] = {
    "quota": QuotaExceeded(),
    "unknown-code": UnknownCode("No such car."),
    "bug": Bug(),
    "dependency": DependencyUnavailable(target="postgres"),
    "overloaded": Overloaded(retry_after=2.5),
    "crash": RuntimeError("planted-secret"),
    "exit": SystemExit(3),  # pyright: ignore[reportAssignmentType] - must not end the process
    "timeout": TimeoutError(),  # of something that the endpoint calls, not the request's own
    "teapot": HTTPException(418),
    "gateway": HTTPException(502, detail="planted-secret"),
}

router = APIRouter()


@router.get("/cars/{number}")
async def read_car(number: int) -> dict[str, int]:
    get_logger().info("car_read")
    return {"number": number}


@router.delete("/cars/{number}")
async def scrap_car(number: int) -> int:
    return number


@router.post("/cars")
async def add_car(car: Car) -> Car:
    return car


@router.post("/anything")
async def echo(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    return body


@router.post("/raw")
async def count(request: Request) -> dict[str, int]:
    return {"size": sum([len(chunk) async for chunk in request.stream()])}


@router.get("/errors/{name}")
async def fail(name: str) -> None:
    raise ERRORS[name]


@router.get("/half")
async def answer_half() -> StreamingResponse:
    async def produce() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("the other half is missing")

    return StreamingResponse(produce(), media_type="text/plain")


@router.get("/slow")
async def wait_forever() -> None:
    await asyncio.Event().wait()


@router.get("/large")
async def send_large() -> dict[str, str]:
    return {"text": "a" * 5_000}


@router.get("/events")
async def stream() -> StreamingResponse:
    async def produce() -> AsyncIterator[bytes]:
        for number in range(3):
            yield f"data: {number} {'a' * 2_000}\n\n".encode()
            await asyncio.sleep(0.1)  # together longer than the deadline

    return StreamingResponse(produce(), media_type="text/event-stream")


@router.get("/answer")
async def read_answer(settings: Annotated[Settings, Depends(read_state(Settings))]) -> int:
    return settings.answer


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[Settings]:
    yield Settings(answer=42)


@pytest.fixture(autouse=True)
def _discard_logs() -> Iterator[None]:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[])
    yield
    structlog.reset_defaults()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("web-tests", "test")


@pytest.fixture
def app(metrics: Metrics) -> FastAPI:
    outer = APIRouter(prefix="/api")
    outer.include_router(router, prefix="/v1")
    return create_app(
        title="web tests",
        metrics=metrics,
        routers=[outer],
        lifespan=lifespan,
        request_timeout=0.2,
        body_limit=BODY_LIMIT,
    )


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Call the application in process."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://web/api/v1") as client:
        yield client


@dataclass(frozen=True)
class LiveServer:
    client: httpx.AsyncClient
    address: tuple[str, int]

    async def send_bytes(self, request: bytes, *, and_close: bool = False) -> bytes:
        """Send what no HTTP library would, and read until the server closes."""
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(request)
        if and_close:
            writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


@pytest.fixture
async def live(app: FastAPI) -> AsyncIterator[LiveServer]:
    """Call the application over a real socket."""
    started = asyncio.Event()
    with bind_socket("127.0.0.1", 0) as listener:
        server = HttpServer(app, drain_seconds=1, on_started=started.set)
        serving = asyncio.create_task(server.serve([listener]))
        await started.wait()
        address = socket_address(listener)
        base_url = f"http://{address[0]}:{address[1]}/api/v1"
        async with httpx.AsyncClient(base_url=base_url, timeout=60) as client:
            yield LiveServer(client, address)
        server.should_exit = True
        await serving


def socket_address(listener: socket.socket) -> tuple[str, int]:
    host, port = listener.getsockname()
    return host, port
