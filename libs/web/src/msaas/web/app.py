"""The factory of every HTTP application: FastAPI inside, our layers around it."""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.params import Depends
from starlette.middleware import Middleware

from msaas.telemetry import Metrics
from msaas.web.middleware import (
    AccessLog,
    BodyValidation,
    Compression,
    CorrelationId,
    Deprecation,
    Deprecations,
    Recovery,
    RequestTargetValidation,
    RequestTimeout,
    SecurityHeaders,
)
from msaas.web.problems import EXCEPTION_HANDLERS

BODY_LIMIT: Final = 1024 * 1024
REQUEST_TIMEOUT: Final = 15.0

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Mapping[str, Any]]]


def create_app(
    *,
    title: str,
    metrics: Metrics,
    routers: Iterable[APIRouter] = (),
    lifespan: Lifespan | None = None,
    request_timeout: float = REQUEST_TIMEOUT,
    body_limit: int = BODY_LIMIT,
    before_body: Iterable[Middleware] = (),
    after_body: Iterable[Middleware] = (),
    dependencies: Sequence[Depends] = (),
    deprecations: Mapping[tuple[str, str], Deprecation] | None = None,
    hosts: Sequence[str] = (),
    cors: Iterable[Middleware] = (),
) -> FastAPI:
    """Make an application; what `lifespan` yields is the state that `from_state` reads.

    A service's own layers go around the reading of the body, or within it; `dependencies` hold for
    every route, before its own; `deprecations` are by method and path template.
    """
    app = FastAPI(
        title=title,
        lifespan=lifespan,
        dependencies=dependencies,
        # A redirect would repeat the Host header that the client chose.
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # Spans and metrics are ours: FastAPI's own cost on every request, sampled or not.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        exception_handlers=EXCEPTION_HANDLERS,
        middleware=[
            Middleware(CorrelationId),
            Middleware(AccessLog, metrics),
            Middleware(SecurityHeaders),
            Middleware(Deprecations, deprecations or {}),
            *cors,
            Middleware(Recovery, metrics),
            Middleware(RequestTargetValidation, hosts),
            Middleware(RequestTimeout, request_timeout),
            Middleware(Compression),
            *before_body,
            Middleware(BodyValidation, body_limit),
            *after_body,
        ],
    )
    for router in routers:
        app.include_router(router)
    return app


def from_state(name: str) -> Callable[[Request], Coroutine[Any, Any, Any]]:
    """For `Depends`: hand the endpoint what the composition root put into the lifespan state."""

    async def read(request: Request) -> Any:  # a plain function would be sent to a thread
        return getattr(request.state, name)

    return read
