"""The internal port of every process: liveness, readiness, metrics; not for public networks."""

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from msaas.telemetry import Metrics
from msaas.web.health import Health
from msaas.web.problems import EXCEPTION_HANDLERS


def create_internal_app(health: Health, metrics: Metrics) -> Starlette:
    async def live(_request: Request) -> Response:
        return _json(200, {"status": "ok"})

    async def ready(_request: Request) -> Response:
        report = await health.report()
        status = 200 if report.status == "ok" else 503
        return _json(status, {"status": report.status, "checks": report.checks})

    async def metrics_endpoint(_request: Request) -> Response:
        return Response(metrics.render(), headers={"content-type": metrics.content_type})

    routes = [
        Route("/health/live", live),
        Route("/health/ready", ready),
        Route("/metrics", metrics_endpoint),
    ]
    return Starlette(routes=routes, exception_handlers=EXCEPTION_HANDLERS)


def _json(status: int, body: object) -> Response:
    return Response(
        orjson.dumps(body), status, {"cache-control": "no-store"}, media_type="application/json"
    )
