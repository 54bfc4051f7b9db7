"""The factory of every HTTP application: FastAPI inside shared middleware."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from msaas.contracts import MAX_DATA
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
from msaas.web.state import Lifespan, publish_state

BODY_LIMIT: Final = MAX_DATA  # a message carries no more
REQUEST_TIMEOUT: Final = 15.0


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
    deprecations: Mapping[tuple[str, str], Deprecation] | None = None,
    hosts: Sequence[str] = (),
    cors: Iterable[Middleware] = (),
) -> FastAPI:
    """Create an application; `read_state` reads the object that `lifespan` yields.

    `before_body` middleware runs before the body is read, `after_body` afterwards. `deprecations`
    are by method and path template.
    """
    app = FastAPI(
        title=title,
        lifespan=publish_state(lifespan) if lifespan else None,
        # A redirect would repeat the Host header of the client.
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # The middleware below makes spans and metrics; FastAPI's own would cost every request.
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
