"""Every problem that the HTTP API can answer with, and what its reader can do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from msaas.contracts.errors import UnknownProblem


@dataclass(frozen=True, slots=True)
class ProblemType:
    """RFC 9457 `title` and `status` of a `code`, with the members that this API adds."""

    code: str
    status: int
    title: str
    cause: str
    action: str
    retryable: bool = False


_DECLARED = (
    ProblemType(
        "idempotency_key_required",
        400,
        "Idempotency-Key required",
        "This operation changes billing and came without an Idempotency-Key header.",
        "Send a fresh Idempotency-Key, and the same one when you repeat the request.",
    ),
    ProblemType(
        "malformed",
        400,
        "Malformed request",
        "The request could not be parsed.",
        "Check that the body is well-formed JSON in UTF-8.",
    ),
    ProblemType(
        "unauthenticated",
        401,
        "Authentication required",
        "The request carries no valid credentials.",
        "Sign in, or send a valid API key.",
    ),
    ProblemType(
        "token_expired",
        401,
        "Token expired",
        "The access token is past its expiry.",
        "Refresh the session and repeat the request.",
    ),
    ProblemType(
        "quota_exceeded",
        402,
        "Quota exceeded",
        "The jobs of this period are used or reserved.",
        "Wait for the next period or upgrade the plan.",
    ),
    ProblemType(
        "forbidden",
        403,
        "Forbidden",
        "These credentials do not allow the operation.",
        "Use an account or key that has the right.",
    ),
    ProblemType(
        "plan_forbidden",
        403,
        "Not in your plan",
        "The plan does not include this operation.",
        "Upgrade the plan.",
    ),
    ProblemType(
        "feature_flag_disabled",
        403,
        "Feature disabled",
        "The operator has switched this feature off.",
        "Try again later or ask the operator.",
    ),
    ProblemType(
        "not_found",
        404,
        "Not found",
        "There is nothing here, or it belongs to somebody else.",
        "Check the address and the id.",
    ),
    ProblemType(
        "method_not_allowed",
        405,
        "Method not allowed",
        "The resource does not know this method.",
        "Use one of the methods in the Allow header.",
    ),
    ProblemType(
        "conflict",
        409,
        "Conflict",
        "The resource is in a state that rules the operation out.",
        "Read the resource again and decide anew.",
    ),
    ProblemType(
        "idempotency_in_progress",
        409,
        "Request in progress",
        "A request with this Idempotency-Key is still being carried out.",
        "Repeat the request with the same key in a moment.",
        retryable=True,
    ),
    ProblemType(
        "payload_too_large",
        413,
        "Payload too large",
        "The body is larger than the limit.",
        "Send less.",
    ),
    ProblemType(
        "unsupported_media_type",
        415,
        "Unsupported media type",
        "The body is not of a type that this operation reads.",
        "Send application/json.",
    ),
    ProblemType(
        "validation_failed",
        422,
        "Validation failed",
        "Some fields of the request are missing or have values that are not allowed.",
        "Correct the fields listed in errors.",
    ),
    ProblemType(
        "idempotency_mismatch",
        422,
        "Idempotency-Key reused",
        "This Idempotency-Key was used for a request with another body.",
        "Use a fresh key for a new request.",
    ),
    ProblemType(
        "rate_limited",
        429,
        "Too many requests",
        "The rate limit of this category is reached.",
        "Wait as long as Retry-After says.",
        retryable=True,
    ),
    ProblemType(
        "internal",
        500,
        "Internal error",
        "Something went wrong on our side.",
        "Report the correlation id if it happens again.",
    ),
    ProblemType(
        "dependency_unavailable",
        503,
        "Dependency unavailable",
        "A part that this operation needs does not answer.",
        "Repeat the request after Retry-After, with the same Idempotency-Key.",
        retryable=True,
    ),
    ProblemType(
        "overloaded",
        503,
        "Overloaded",
        "The queue is full.",
        "Repeat the request after Retry-After, with the same Idempotency-Key.",
        retryable=True,
    ),
    ProblemType(
        "command_timeout",
        504,
        "No answer in time",
        "The request was handed on and its outcome is not known yet.",
        "Repeat the request with the same Idempotency-Key.",
        retryable=True,
    ),
)

PROBLEMS: Mapping[str, ProblemType] = MappingProxyType({one.code: one for one in _DECLARED})


def get_problem(code: str) -> ProblemType:
    try:
        return PROBLEMS[code]
    except KeyError:
        raise UnknownProblem("no such problem code") from None
