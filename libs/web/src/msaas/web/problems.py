"""Errors as RFC 9457 problems."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, cast

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response

from msaas.contracts import PROBLEMS, choose_language, get_problem, get_translated_problem
from msaas.kernel import ErrorKind, MsaasError
from msaas.web.asgi import Scope, find_header, is_json

MEDIA_TYPE: Final = "application/problem+json"
_MAX_ERRORS: Final = 20
_DEFAULT_RETRY_AFTER: Final = 1

_CODE_BY_KIND: Final[Mapping[ErrorKind, str]] = {
    ErrorKind.INVALID: "malformed",
    ErrorKind.UNAUTHENTICATED: "unauthenticated",
    ErrorKind.PAYMENT_REQUIRED: "quota_exceeded",
    ErrorKind.FORBIDDEN: "forbidden",
    ErrorKind.NOT_FOUND: "not_found",
    ErrorKind.CONFLICT: "conflict",
    ErrorKind.TOO_LARGE: "payload_too_large",
    ErrorKind.UNSUPPORTED: "unsupported_media_type",
    ErrorKind.UNPROCESSABLE: "validation_failed",
    ErrorKind.RATE_LIMITED: "rate_limited",
    ErrorKind.INTERNAL: "internal",
    ErrorKind.UNAVAILABLE: "dependency_unavailable",
    ErrorKind.TIMEOUT: "command_timeout",
}
_CODE_BY_STATUS: Final[Mapping[int, str]] = {
    get_problem(code).status: code for code in _CODE_BY_KIND.values()
} | {405: "method_not_allowed"}


class Malformed(MsaasError):
    code: ClassVar[str] = "malformed"
    kind: ClassVar[ErrorKind] = ErrorKind.INVALID
    default_message: ClassVar[str] = "The request could not be parsed."


class PayloadTooLarge(MsaasError):
    code: ClassVar[str] = "payload_too_large"
    kind: ClassVar[ErrorKind] = ErrorKind.TOO_LARGE
    default_message: ClassVar[str] = "The body is larger than the limit."


class UnsupportedMediaType(MsaasError):
    code: ClassVar[str] = "unsupported_media_type"
    kind: ClassVar[ErrorKind] = ErrorKind.UNSUPPORTED
    default_message: ClassVar[str] = "The body must be application/json in UTF-8."


def problem_for(error: BaseException, scope: Scope) -> Response:
    """Describe an MsaasError; any other error is a 500 without details."""
    if not isinstance(error, MsaasError) or error.kind is ErrorKind.INTERNAL:
        return problem_response(scope, "internal")
    code = error.code if error.code in PROBLEMS else _CODE_BY_KIND[error.kind]
    return problem_response(
        scope,
        code,
        detail=error.safe_message,
        retryable=error.retryable,
        members={name: error.context.get(name) for name in error.public_context},
        headers=_error_headers(error, get_problem(code).status),
    )


def describe_error(error: MsaasError) -> dict[str, object]:
    """Describe an error as one item of a batch, with the members of a problem."""
    code = error.code if error.code in PROBLEMS else _CODE_BY_KIND[error.kind]
    kind = get_problem(code)
    return {
        "code": code,
        "status": kind.status,
        "title": kind.title,
        "detail": error.safe_message,
        "retryable": error.retryable,
        **{name: error.context.get(name) for name in error.public_context},
    }


def problem_response(
    scope: Scope,
    code: str,
    *,
    detail: str | None = None,
    retryable: bool | None = None,
    status: int | None = None,
    errors: Sequence[Mapping[str, str]] = (),
    members: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    language = negotiate_language(scope)
    kind = get_translated_problem(language, code)
    body: dict[str, object] = {
        "type": f"/problems/{code}",
        "title": kind.title,
        "status": status or kind.status,
        "detail": detail or kind.cause,
        "instance": scope["path"],
        "code": code,
        "correlation_id": scope.get("state", {}).get("correlation_id"),
        "retryable": kind.retryable if retryable is None else retryable,
        "human_readable_cause": kind.cause,
        "suggested_action": kind.action,
        "errors": errors,
        **(members or {}),
    }
    language_headers = {"content-language": language, "vary": "accept-language"}
    all_headers = language_headers | dict(headers or {})
    return Response(orjson.dumps(body), status or kind.status, all_headers, MEDIA_TYPE)


def negotiate_language(scope: Scope) -> str:
    accepted = find_header(scope.get("headers", ()), b"accept-language") or b""
    return choose_language(accepted.decode("latin-1"))


def _error_headers(error: MsaasError, status: int) -> dict[str, str]:
    challenge = {"www-authenticate": "Bearer"} if status == 401 else {}  # noqa: PLR2004 - HTTP's own number
    return challenge | _retry_after(error, status)


def _retry_after(error: MsaasError, status: int) -> dict[str, str]:
    seconds = error.context.get("retry_after")
    if isinstance(seconds, int | float) and math.isfinite(seconds):
        return {"retry-after": str(max(1, math.ceil(seconds)))}
    return {"retry-after": str(_DEFAULT_RETRY_AFTER)} if status == 503 else {}  # noqa: PLR2004 - HTTP's own number


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    """Describe what the framework refuses: unknown paths and methods above all."""
    status = error.status_code
    if status < 400:  # noqa: PLR2004 - HTTP's own number; a redirect raised as an exception
        return Response(status_code=status, headers=error.headers)
    headers = dict(error.headers or {})
    if status == 405:  # noqa: PLR2004 - HTTP's own number
        headers["allow"] = ", ".join(_methods_of(request)) or headers.get("Allow", "")
        headers.pop("Allow", None)
    fallback = "malformed" if status < 500 else "internal"  # noqa: PLR2004 - HTTP's own number
    code = _CODE_BY_STATUS.get(status, fallback)
    return problem_response(request.scope, code, status=status, headers=headers)


def _methods_of(request: Request) -> list[str]:
    """Return all methods of a path; the framework names those of the first route only."""
    path = request.scope["path"]
    matching = [
        route
        for route in iter_route_contexts(request.app.routes)
        if (pattern := getattr(route, "path_regex", None)) is not None and pattern.match(path)
    ]
    literal = [route for route in matching if route.path_format == path]
    return sorted({method for route in literal or matching for method in route.methods or ()})


async def _on_validation_error(request: Request, error: RequestValidationError) -> Response:
    problems = cast("Sequence[dict[str, Any]]", error.errors())
    if any(problem["type"] == "json_invalid" for problem in problems):
        return problem_for(Malformed("The body is not well-formed JSON."), request.scope)
    in_path = any(problem["loc"][0] == "path" for problem in problems)
    # The path is literal, and the pattern that matched it has more methods.
    if in_path and request.method not in (methods := _methods_of(request)):
        headers = {"allow": ", ".join(methods)}
        return problem_response(request.scope, "method_not_allowed", headers=headers)
    in_body = any(problem["loc"][0] == "body" for problem in problems)
    # A body of another media type reaches the model as bytes.
    if in_body and isinstance(error.body, bytes) and not is_json(request.scope):
        return problem_for(UnsupportedMediaType(), request.scope)
    errors = [_describe_field_error(problem) for problem in problems[:_MAX_ERRORS]]
    return problem_response(request.scope, "validation_failed", errors=errors)


def _describe_field_error(error: Mapping[str, Any]) -> dict[str, str]:
    """Describe field and reason without the value, which may be a secret."""
    location, *path = error["loc"]
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
    return {"in": str(location), "pointer": pointer, "code": error["type"], "detail": error["msg"]}


async def _on_msaas_error(request: Request, error: MsaasError) -> Response:
    if error.kind is ErrorKind.INTERNAL:
        raise error  # `Recovery` logs and counts it
    return problem_for(error, request.scope)


EXCEPTION_HANDLERS: Final = cast(
    "dict[int | type[Exception], Any]",
    {
        HTTPException: _on_http_exception,
        RequestValidationError: _on_validation_error,
        MsaasError: _on_msaas_error,
    },
)
