"""The root of all errors that this project raises.

MsaasError                    a code, a kind, and whether a retry can help
├── DependencyUnavailable     a service that we call does not answer; context: target
│   └── CircuitOpen           it failed repeatedly and is not called now; context: retry_after
├── CommandTimeout            no answer arrived in time
└── Overloaded                the service has too much work; context: retry_after
"""

from enum import StrEnum
from typing import ClassVar


class ErrorKind(StrEnum):
    """What an error means to the caller; `web` maps it to a status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    PAYMENT_REQUIRED = "payment_required"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    UNPROCESSABLE = "unprocessable"
    RATE_LIMITED = "rate_limited"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"


class MsaasError(Exception):
    """Users see `safe_message` and the `public_context` keys of `context`, logs see the rest."""

    code: ClassVar[str] = "internal"
    kind: ClassVar[ErrorKind] = ErrorKind.INTERNAL
    retryable: ClassVar[bool] = False
    default_message: ClassVar[str] = "Something went wrong on our side."
    public_context: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, safe_message: str | None = None, **context: object) -> None:
        self.safe_message: str = safe_message or self.default_message
        self.context: dict[str, object] = context
        super().__init__(self.safe_message)


class DependencyUnavailable(MsaasError):
    code: ClassVar[str] = "dependency_unavailable"
    kind: ClassVar[ErrorKind] = ErrorKind.UNAVAILABLE
    retryable: ClassVar[bool] = True
    default_message: ClassVar[str] = "A required service is unavailable."


class CircuitOpen(DependencyUnavailable):
    default_message: ClassVar[str] = "A required service is failing, try again shortly."


class CommandTimeout(MsaasError):
    code: ClassVar[str] = "command_timeout"
    kind: ClassVar[ErrorKind] = ErrorKind.TIMEOUT
    retryable: ClassVar[bool] = True
    default_message: ClassVar[str] = "The operation timed out."


class Overloaded(MsaasError):
    code: ClassVar[str] = "overloaded"
    kind: ClassVar[ErrorKind] = ErrorKind.UNAVAILABLE
    retryable: ClassVar[bool] = True
    default_message: ClassVar[str] = "The service is overloaded, try again shortly."
