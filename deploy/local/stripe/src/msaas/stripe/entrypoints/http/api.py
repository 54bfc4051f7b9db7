"""The API: form bodies under /v1, JSON bodies under /v2, answers and errors of Stripe."""

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from msaas.stripe.application.server import Answer, Request, Server
from msaas.stripe.domain.errors import API, ApiError
from msaas.stripe.domain.forms import decode_form
from msaas.stripe.entrypoints.http.faults import ConnectionClosed, Faults, RateLimit
from msaas.telemetry import get_logger
from msaas.web import get_hijacked_connection

_TEST_KEY: Final = re.compile(r"Bearer ((?:sk|rk)_test_\w+)$")
_UNAUTHORIZED: Final = 401
_BODY_LIMIT: Final = 512 * 1024
_JSON: Final = "application/json"


class ApiApp:
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = HttpRequest(scope, receive)
        try:
            response = await self._respond(http)
        except ConnectionClosed:
            get_hijacked_connection(scope).abort()
            return
        await response(scope, receive, send)

    async def _respond(self, http: HttpRequest) -> Response:
        try:
            request = await self._read(http)
            self._limit_of(request.path).take()
            answer = await self._faults.run(
                request.method, request.path, lambda: self._server.handle(request)
            )
        except ApiError as error:
            self._server.refused(error)
            answer = _refuse(error)
        except ConnectionClosed:
            raise
        except Exception:  # noqa: BLE001 - the client gets an answer in Stripe's form
            get_logger().exception("stripe_request_failed", path=http.url.path)
            answer = _refuse(ApiError("An unknown error occurred.", status=500, error_type=API))
        self._on_change()
        return _build_response(answer, http)

    async def _read(self, http: HttpRequest) -> Request:
        path, method = http.url.path, http.method
        account = self._authenticate(http)
        self._check_version(http)
        body = await http.body()
        if len(body) > _BODY_LIMIT:
            raise ApiError("The request is too large.", status=413)
        is_json = path.startswith("/v2/") and method == "POST"
        return Request(
            method=method,
            path=path,
            params=_decode(http, body, is_json=is_json),
            account=account,
            idempotency_key=http.headers.get("idempotency-key"),
            is_json=is_json,
        )

    def _authenticate(self, http: HttpRequest) -> str:
        """Return a name for the key; a key of live mode is refused."""
        header = http.headers.get("authorization", "")
        token = (
            self._server.find_session(header) if "/meter_event_stream" in http.url.path else None
        )
        match = _TEST_KEY.match(header)
        if token is None and match is None:
            raise ApiError("Invalid API Key provided.", status=_UNAUTHORIZED)
        return token or hashlib.sha256(header.encode()).hexdigest()[:16]

    def _check_version(self, http: HttpRequest) -> None:
        pinned = self._server.api.specification.api_version
        if http.headers.get("stripe-version", pinned) != pinned:
            raise ApiError(f"The stand-in serves the API version {pinned} only.")


def _refuse(error: ApiError) -> Answer:
    return Answer(error.status, orjson.dumps(error.body()), "req_refused")


def _decode(http: HttpRequest, body: bytes, *, is_json: bool) -> Any:
    try:
        if is_json:
            return orjson.loads(body or b"{}")
        text = body.decode() if http.method == "POST" else http.url.query
        return decode_form(parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)))
    except ValueError as error:
        raise ApiError("The request's parameters are malformed.") from error


def _build_response(answer: Answer, http: HttpRequest) -> Response:
    headers = {"request-id": answer.request_id}
    if answer.is_replayed:
        headers["idempotent-replayed"] = "true"
    key = http.headers.get("idempotency-key", "")
    if key.isascii() and key.isprintable() and key:
        headers["idempotency-key"] = key
    headers["stripe-version"] = http.headers.get("stripe-version", "")
    return Response(answer.body, answer.status, headers, _JSON)
