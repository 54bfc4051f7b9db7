"""A tutorial of msaas.web, one idea per test."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, ClassVar

import httpx
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel

from msaas.kernel import ErrorKind, MsaasError
from msaas.telemetry import Metrics
from msaas.web import Health, create_app, create_internal_app, read_state
from msaas.web.asgi import Receive, Scope, Send


class Cat(BaseModel):
    name: str


class CatNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "There is no such cat."


class Cats:
    def get(self, name: str) -> Cat:
        if name != "tom":
            raise CatNotFound
        return Cat(name=name)


router = APIRouter(prefix="/cats")


@router.get("/{name}")
async def read_cat(name: str, cats: Annotated[Cats, Depends(read_state(Cats))]) -> Cat:
    return cats.get(name)


@asynccontextmanager
async def bootstrap(_app: FastAPI) -> AsyncGenerator[Cats]:
    yield Cats()


def make_app() -> FastAPI:
    return create_app(
        title="cats", metrics=Metrics("cats", "test"), routers=[router], lifespan=bootstrap
    )


async def get(path: str, **headers: str) -> httpx.Response:
    app = make_app()
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(with_state)
        async with httpx.AsyncClient(transport=transport, base_url="http://cats") as client:
            return await client.get(path, headers=headers)


async def test_an_endpoint_reads_the_state_that_the_lifespan_yields() -> None:
    assert (await get("/cats/tom")).json() == {"name": "tom"}


async def test_an_error_of_the_domain_becomes_a_problem_by_its_kind() -> None:
    answer = await get("/cats/jerry")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "There is no such cat."


async def test_one_id_follows_a_request() -> None:
    answer = await get("/cats/jerry", **{"x-correlation-id": "click-1"})
    assert answer.headers["x-correlation-id"] == "click-1"
    assert answer.json()["correlation_id"] == "click-1"


async def test_a_process_is_ready_when_all_its_checks_pass() -> None:
    async def ping() -> None:
        raise ConnectionError

    health = Health({"db": ping})
    health.start()
    internal = create_internal_app(health, Metrics("cats", "test"))
    transport = httpx.ASGITransport(internal)
    async with httpx.AsyncClient(transport=transport, base_url="http://internal") as client:
        answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "failed", "checks": {"db": "failed"}}
