"""Runs one request: validation, idempotency, the operation, its commit."""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson

from msaas.stripe.application import (
    catalogue,
    checkout_sessions,
    clocks,
    credit_notes,
    customers,
    meter_events,
    meter_streams,
    meters,
    payments,
    portal,
    previews,
    schedules,
    subscription_cycle,
    thin_events,
    webhooks,
)
from msaas.stripe.application.context import Api, Cause
from msaas.stripe.application.expansion import expand
from msaas.stripe.application.routing import Route, Routes
from msaas.stripe.application.timeline import SERVER_TIME
from msaas.stripe.domain.calendar import DAY
from msaas.stripe.domain.errors import IDEMPOTENCY, ApiError
from msaas.stripe.domain.resources import Resource, new_identifier
from msaas.telemetry import get_logger

_MAX_KEY: Final = 255
_MAX_VIOLATIONS: Final = 1_000
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    params: Any
    account: str  # the API key's digest
    idempotency_key: str | None = None
    is_json: bool = False

    def fingerprint(self) -> str:
        content = orjson.dumps([self.method, self.path, self.params], option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    request_id: str
    is_replayed: bool = False


def list_routes() -> list[Routes]:
    return [
        catalogue.routes,
        checkout_sessions.routes,
        clocks.routes,
        credit_notes.routes,
        customers.routes,
        meter_events.routes,
        meter_streams.routes,
        meters.routes,
        payments.routes,
        portal.routes,
        previews.routes,  # those of invoices too
        schedules.routes,  # those of subscriptions too
        thin_events.routes,
        webhooks.routes,
    ]


class Server:
    """Everything runs on one thread without an await, so that requests never interleave."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.violations: list[dict[str, Any]] = []
        self.requests = 0
        self.routes = list_routes()
        api.on_payment = subscription_cycle.on_payment
        clocks.install_rules(api.timeline)
        state = api.store.find("server_state", "server_state")
        api.timeline.offset = state["offset"] if state else 0
        for clock in api.store.list_kind("test_helpers.test_clock"):
            api.timeline.freeze(clock["id"], clock["frozen_time"])
        api.timeline.schedule(api.store.take_touched())

    def handle(self, request: Request) -> Answer:
        self.requests += 1
        request_id = new_identifier("req_", 14)
        try:
            self.run_due()
            replayed = self._find_stored(request)
            if replayed is not None:
                body = replayed["body"].encode()
                return Answer(replayed["status"], body, request_id, is_replayed=True)
            return self._execute(request, request_id)
        except ApiError as error:
            return Answer(error.status, orjson.dumps(error.body()), request_id)

    def run_due(self) -> None:
        """Make everything happen that is due at the server's time, each in its own transaction."""
        now = self.api.timeline.now()
        while (due := self.api.timeline.next_due(SERVER_TIME)) is not None and due <= now:
            try:
                with self.unit_of_work(Cause()):
                    clocks.run_next(self.api, SERVER_TIME, now)
            except Exception:  # noqa: BLE001 - a broken object must not stop the others
                get_logger().exception("stripe_change_failed")

    def refused(self, error: ApiError) -> None:
        """Count a request that was refused before its parameters were read."""
        self.requests += 1
        if "API version" in error.message:
            self._append_violation("", "", error)

    def find_session(self, header: str) -> str | None:
        """Return a meter event session's token, until it expires."""
        token = header.removeprefix("Bearer ")
        session = self.api.store.find("meter_event_token", token)
        is_open = session is not None and session["until"] > self.api.timeline.wall()
        return token if is_open else None

    @contextmanager
    def unit_of_work(self, cause: Cause) -> Generator[None]:
        """Commit or roll back together, and schedule what the changes make due."""
        self.api.cause = cause
        try:
            with self.api.store.unit_of_work():
                yield
        finally:
            self.api.timeline.schedule(self.api.store.take_touched())

    def _execute(self, request: Request, request_id: str) -> Answer:
        route, identifiers, params = self._read(request)
        cause = Cause(request_id, request.idempotency_key)
        try:
            with self.unit_of_work(cause):
                paths = params.get("expand", [])
                answer = route.call(self.api, params, identifiers)
                expand(self.api, answer, paths)
                body = orjson.dumps(answer)
                self._store(request, 200, body)
        except ApiError as error:
            body = orjson.dumps(error.body())
            self._note_refusal(request, error)
            with self.unit_of_work(cause):
                self._store(request, error.status, body)
            return Answer(error.status, body, request_id)
        return Answer(200, body, request_id)

    def _read(self, request: Request) -> tuple[Route, tuple[str, ...], dict[str, Any]]:
        try:
            route, identifiers = self._find_route(request)
            specification = self.api.specification
            read = specification.read_json if request.is_json else specification.read_params
            params = read(route.method, route.path, request.params)
        except ApiError as error:
            self._record_violation(request, error)
            raise
        return route, identifiers, params

    def _find_route(self, request: Request) -> tuple[Route, tuple[str, ...]]:
        found = (routes.find(request.method, request.path) for routes in self.routes)
        route = next((match for match in found if match), None)
        if route is None:
            message = f"Unrecognized request URL ({request.method}: {request.path})."
            raise ApiError(message, status=_NOT_FOUND)
        return route

    def _note_refusal(self, request: Request, error: ApiError) -> None:
        if error.message.startswith("The stand-in does not implement"):
            self._record_violation(request, error)

    def _record_violation(self, request: Request, error: ApiError) -> None:
        self._append_violation(request.method, request.path, error)

    def _append_violation(self, method: str, path: str, error: ApiError) -> None:
        """Keep what a client sent that the pinned version does not know; never the values."""
        if len(self.violations) < _MAX_VIOLATIONS:
            self.violations.append(
                {
                    "method": method,
                    "path": path,
                    "param": error.param,
                    "code": error.code,
                    "message": error.message,
                }
            )

    def _find_stored(self, request: Request) -> Resource | None:
        key = request.idempotency_key
        if key is None or request.method != "POST":
            return None
        if len(key) > _MAX_KEY:
            raise ApiError("The idempotency key is longer than 255 characters.")
        stored = self.api.store.find("idempotency", _key_id(request))
        if stored is None or stored["at"] < self.api.timeline.wall() - DAY:
            return None
        if stored["fingerprint"] != request.fingerprint():
            raise ApiError(
                "Keys for idempotent requests can only be used with the same parameters they "
                "were first used with.",
                error_type=IDEMPOTENCY,
            )
        return stored

    def _store(self, request: Request, status: int, body: bytes) -> None:
        if request.idempotency_key is None or request.method != "POST" or status == _TOO_MANY:
            return
        self.api.store.add(
            {
                "id": _key_id(request),
                "object": "idempotency",
                "status": status,
                "body": body.decode(),
                "fingerprint": request.fingerprint(),
                "at": self.api.timeline.wall(),
            }
        )


def _key_id(request: Request) -> str:
    return f"idem_{request.account}_{request.idempotency_key}"
