"""What a request can run into.

MsaasError
├── JobNotFound            no such job, or somebody else's
├── NoResultYet            the job has not ended well
├── FileNotFound           the job has left no file of that name
├── QuotaExceeded          the period's jobs are used or reserved
├── PlanForbidden          in the catalogue, not in the plan
├── IdempotencyMismatch    the key was used for something else
├── IdempotencyInProgress  the same request is being carried out
├── IdempotencyKeyRequired a change of billing came without one
├── AnswerNotKept          it was done, and its answer held a secret
├── RateLimited            as often as the category allows
├── NotAllowed             the account may not do this now
├── NotPossible            the job is in a state that rules it out
├── NotUnderstood          the owner knows less than the gateway, or more
├── RefusalUnknown         the owner refused in words that the contract does not have
├── TooManyStreams         this user has enough of them open
└── NoMoreStreams          this process has
"""

from typing import ClassVar

from msaas.kernel import ErrorKind, MsaasError, Overloaded


class JobNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "There is no such job."


class ResultNotAvailable(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "The job has no result."


class FileNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "The job has no such file."


class QuotaExceeded(MsaasError):
    code: ClassVar[str] = "quota_exceeded"
    kind: ClassVar[ErrorKind] = ErrorKind.PAYMENT_REQUIRED
    public_context: ClassVar[frozenset[str]] = frozenset(
        {"limit", "used", "reserved", "resets_at", "upgrade_url"}
    )


class PlanForbidden(MsaasError):
    code: ClassVar[str] = "plan_forbidden"
    kind: ClassVar[ErrorKind] = ErrorKind.FORBIDDEN
    default_message: ClassVar[str] = "The plan does not include this task type."


class IdempotencyMismatch(MsaasError):
    code: ClassVar[str] = "idempotency_mismatch"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE


class IdempotencyInProgress(MsaasError):
    code: ClassVar[str] = "idempotency_in_progress"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    retryable: ClassVar[bool] = True
    default_message: ClassVar[str] = "The same request is being carried out, try again shortly."


class IdempotencyKeyRequired(MsaasError):
    code: ClassVar[str] = "idempotency_key_required"
    kind: ClassVar[ErrorKind] = ErrorKind.INVALID
    default_message: ClassVar[str] = "This operation needs an Idempotency-Key."


class ResponseNotStored(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = (
        "The request was already processed; its response contained a secret and is not shown again."
    )


class RateLimited(MsaasError):
    code: ClassVar[str] = "rate_limited"
    kind: ClassVar[ErrorKind] = ErrorKind.RATE_LIMITED
    retryable: ClassVar[bool] = True
    default_message: ClassVar[str] = "The rate limit of this category is reached."


class NotAllowed(MsaasError):
    code: ClassVar[str] = "forbidden"
    kind: ClassVar[ErrorKind] = ErrorKind.FORBIDDEN


class CommandConflict(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT


class CommandInvalid(MsaasError):
    code: ClassVar[str] = "validation_failed"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE


class UnknownRefusal(MsaasError):
    """Our fault, whatever it says."""


class UserStreamLimitReached(MsaasError):
    code: ClassVar[str] = "rate_limited"
    kind: ClassVar[ErrorKind] = ErrorKind.RATE_LIMITED
    retryable: ClassVar[bool] = True
    default_message: ClassVar[str] = "Too many live streams are open for this account."


class StreamCapacityReached(Overloaded):
    default_message: ClassVar[str] = "No more live streams can be opened right now."
