"""Errors in the two formats of Supabase's clients, chosen by the requested version."""

import re
from collections.abc import Mapping
from math import ceil
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from msaas.identity.domain.errors import AuthError, ValidationFailed
from msaas.kernel import ErrorKind

VERSION_HEADER: Final = "x-supabase-api-version"
_VERSION: Final = "2024-01-01"
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_STATUS: Final[Mapping[ErrorKind, int]] = {
    ErrorKind.INVALID: 400,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.UNPROCESSABLE: 422,
    ErrorKind.RATE_LIMITED: 429,
}


def install_error_handlers(app: FastAPI) -> None:
    for error_type in (AuthError, RequestValidationError):
        app.add_exception_handler(error_type, _on_error)


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        # Name the invalid fields, never their values.
        locations = [detail["loc"][1:] for detail in error.errors()]
        fields = {".".join(map(str, location)) for location in locations}
        named = ", ".join(sorted(fields - {""})) or "the body"
        error = ValidationFailed(f"The request is not valid: {named}")
    assert isinstance(error, AuthError)  # noqa: S101 - the only other registered type
    return _build_response(request, error)


def _build_response(request: Request, error: AuthError) -> Response:
    status = _STATUS[error.kind]
    version = request.headers.get(VERSION_HEADER, "")
    headers: dict[str, str] = {}
    if _DATE.fullmatch(version) and version >= _VERSION:
        headers[VERSION_HEADER] = _VERSION
        body: dict[str, Any] = {"code": error.code, "message": error.safe_message}
    else:
        body = {"code": status, "error_code": error.code, "msg": error.safe_message}
    if reasons := error.context.get("reasons"):
        body["weak_password"] = {"reasons": reasons}
    if wait := error.context.get("retry_after"):
        headers["retry-after"] = str(ceil(float(str(wait))))
    return Response(orjson.dumps(body), status, headers, "application/json")
