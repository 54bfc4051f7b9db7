"""The operator's controls under `/_control`: time, faults, webhooks, discrepancies."""

from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from msaas.stripe.application import operator_actions as actions
from msaas.stripe.application.context import Cause
from msaas.stripe.application.server import Server
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.entrypoints.http.faults import Fault, FaultKind, Faults, RateLimit

Handler = Callable[[Request], Awaitable[Response]]


def build_control_routes(
    server: Server,
    faults: Faults,
    limits: Callable[[str], RateLimit],
    on_change: Callable[[], None],
) -> list[Route]:
    control = _Control(server, faults, limits, on_change)
    return [
        Route("/state", control.show_state, methods=["GET"]),
        Route("/violations", control.clear_violations, methods=["DELETE"]),
        Route("/faults", control.add_fault, methods=["POST"]),
        Route("/faults", control.clear_faults, methods=["DELETE"]),
        Route("/limits", control.set_limit, methods=["POST"]),
        Route("/deliveries", control.list_deliveries, methods=["GET"]),
        *(
            Route(f"/{name.replace('_', '-')}", control.act(action), methods=["POST"])
            for name, action in actions.ACTIONS.items()
        ),
    ]


class _Control:
    def __init__(
        self,
        server: Server,
        faults: Faults,
        limits: Callable[[str], RateLimit],
        on_change: Callable[[], None],
    ) -> None:
        self._server = server
        self._faults = faults
        self._limit_of = limits
        self._on_change = on_change

    async def show_state(self, _request: Request) -> Response:
        api = self._server.api
        return _answer(
            {
                "api_version": api.specification.api_version,
                "now": api.timeline.now(),
                "requests": self._server.requests,
                "objects": {
                    kind: sum(1 for _ in api.store.list_kind(kind)) for kind in api.store.kinds()
                },
                "violations": self._server.violations,
                "faults": [_describe(fault) for fault in self._faults.planned],
            }
        )

    async def clear_violations(self, _request: Request) -> Response:
        self._server.violations.clear()
        return _answer({})

    async def add_fault(self, request: Request) -> Response:
        given = await _read(request)
        known = {field.name for field in fields(Fault)}
        if unknown := set(given) - known:
            return _answer({"error": f"unknown: {', '.join(sorted(unknown))}"}, 400)
        given["kind"] = FaultKind(given["kind"])
        self._faults.planned.append(Fault(**given))
        return _answer({"faults": len(self._faults.planned)})

    async def clear_faults(self, _request: Request) -> Response:
        self._faults.planned.clear()
        return _answer({})

    async def set_limit(self, request: Request) -> Response:
        given = await _read(request)
        self._limit_of(given.get("path", "/v1")).per_second = int(given["per_second"])
        return _answer({})

    async def list_deliveries(self, _request: Request) -> Response:
        return _answer({"deliveries": list(self._server.api.store.list_kind("delivery"))})

    def act(self, action: actions.Action) -> Handler:
        async def handle(request: Request) -> Response:
            given = await _read(request)
            try:
                self._server.run_due()
                with self._server.unit_of_work(Cause()):
                    answer = action(self._server.api, **given)
                self._server.run_due()
            except ApiError as error:
                return _answer(error.body(), error.status)
            except TypeError as error:
                return _answer({"error": str(error)}, 400)
            finally:
                self._on_change()
            return _answer(answer)

        return handle


def _describe(fault: Fault) -> dict[str, Any]:
    return {field.name: getattr(fault, field.name) for field in fields(Fault)}


async def _read(request: Request) -> dict[str, Any]:
    return orjson.loads(await request.body() or b"{}")


def _answer(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
