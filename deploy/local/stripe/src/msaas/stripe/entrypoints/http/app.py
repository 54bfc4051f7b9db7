"""The whole application: the API, the hosted pages and the operator's controls."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount, Route

from msaas.stripe.application.server import Server
from msaas.stripe.entrypoints.http.api import ApiApp
from msaas.stripe.entrypoints.http.control import build_control_routes
from msaas.stripe.entrypoints.http.faults import Faults, RateLimit
from msaas.stripe.entrypoints.http.pages import build_page_routes
from msaas.stripe.entrypoints.http.portal_pages import build_portal_routes


def build_app(
    server: Server,
    *,
    faults: Faults,
    limits: Callable[[str], RateLimit],
    on_change: Callable[[], None],
    running: Callable[[], AbstractAsyncContextManager[None]],
) -> Starlette:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with running():
            yield

    api = ApiApp(server, faults, limits, on_change)
    return Starlette(
        routes=[
            *build_page_routes(server, on_change),
            *build_portal_routes(server, on_change),
            Mount("/_control", routes=build_control_routes(server, faults, limits, on_change)),
            Route("/{path:path}", api),
        ],
        lifespan=lifespan,
    )
