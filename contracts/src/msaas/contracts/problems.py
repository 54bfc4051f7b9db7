"""Every problem that the HTTP API can return: its cause and what the caller can do."""

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
        "This operation changes billing and requires an Idempotency-Key header.",
        "Send a new Idempotency-Key. Use the same key when you repeat the request.",
    ),
    ProblemType(
        "malformed",
        400,
        "Malformed request",
        "The request could not be parsed.",
        "Check that the body is valid JSON in UTF-8.",
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
        "The access token has expired.",
        "Refresh the session and repeat the request.",
    ),
    ProblemType(
        "quota_exceeded",
        402,
        "Quota exceeded",
        "All jobs of this billing period are used or reserved.",
        "Wait for the next period or upgrade your plan.",
    ),
    ProblemType(
        "payment_declined",
        402,
        "Payment declined",
        "The payment provider declined the payment, and nothing was changed.",
        "Update the payment method, then try again with a new Idempotency-Key.",
    ),
    ProblemType(
        "forbidden",
        403,
        "Forbidden",
        "These credentials do not permit this operation.",
        "Use an account or API key with the required permission.",
    ),
    ProblemType(
        "plan_forbidden",
        403,
        "Not in your plan",
        "Your plan does not include this operation.",
        "Upgrade your plan.",
    ),
    ProblemType(
        "feature_flag_disabled",
        403,
        "Feature disabled",
        "The operator has disabled this feature.",
        "Try again later or contact the operator.",
    ),
    ProblemType(
        "not_found",
        404,
        "Not found",
        "The resource does not exist or belongs to another user.",
        "Check the URL and the id.",
    ),
    ProblemType(
        "method_not_allowed",
        405,
        "Method not allowed",
        "The resource does not support this method.",
        "Use one of the methods in the Allow header.",
    ),
    ProblemType(
        "conflict",
        409,
        "Conflict",
        "The current state of the resource does not allow this operation.",
        "Read the resource again before you retry.",
    ),
    ProblemType(
        "idempotency_in_progress",
        409,
        "Request in progress",
        "A request with this Idempotency-Key is still being processed.",
        "Repeat the request with the same key in a few seconds.",
        retryable=True,
    ),
    ProblemType(
        "gone",
        410,
        "No longer kept",
        "This was deleted when its retention period ended.",
        "Submit the job again if you need its result.",
    ),
    ProblemType(
        "payload_too_large",
        413,
        "Payload too large",
        "The request body exceeds the size limit.",
        "Send a smaller body.",
    ),
    ProblemType(
        "unsupported_media_type",
        415,
        "Unsupported media type",
        "This operation does not accept this content type.",
        "Send application/json.",
    ),
    ProblemType(
        "validation_failed",
        422,
        "Validation failed",
        "Some fields of the request are missing or invalid.",
        "Correct the fields listed in `errors`.",
    ),
    ProblemType(
        "idempotency_mismatch",
        422,
        "Idempotency-Key reused",
        "This Idempotency-Key was already used for a request with a different body.",
        "Use a new key for a new request.",
    ),
    ProblemType(
        "rate_limited",
        429,
        "Too many requests",
        "The rate limit for this kind of request is exceeded.",
        "Wait for the number of seconds in Retry-After.",
        retryable=True,
    ),
    ProblemType(
        "internal",
        500,
        "Internal error",
        "An unexpected error occurred on the server.",
        "If it happens again, contact support with the correlation id.",
    ),
    ProblemType(
        "dependency_unavailable",
        503,
        "Dependency unavailable",
        "A service that this operation depends on is unavailable.",
        "Repeat the request after Retry-After, with the same Idempotency-Key.",
        retryable=True,
    ),
    ProblemType(
        "overloaded",
        503,
        "Overloaded",
        "The job queue is full.",
        "Repeat the request after Retry-After, with the same Idempotency-Key.",
        retryable=True,
    ),
    ProblemType(
        "command_timeout",
        504,
        "No response in time",
        "The request was accepted but its result is not known yet.",
        "Repeat the request with the same Idempotency-Key.",
        retryable=True,
    ),
)

PROBLEMS: Mapping[str, ProblemType] = MappingProxyType(
    {problem.code: problem for problem in _DECLARED}
)


def get_problem(code: str) -> ProblemType:
    try:
        return PROBLEMS[code]
    except KeyError:
        raise UnknownProblem("no such problem code") from None
