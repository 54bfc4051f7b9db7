"""The errors of requests.

MsaasError
├── JobNotFound             the job does not exist, or belongs to another user
├── ResultNotAvailable      the job has not completed
├── ResultRemoved           the result is no longer kept
├── FileNotFound            the job has no file of that name
├── RunNotFound             the agent run does not exist, or belongs to another user
├── PassageNotFound         the text is not kept, or has no such place
├── ApprovalNotFound        the run has not asked for this
├── AnswerRefused           the answer does not fit the form
├── InvoiceNotFound         the invoice does not exist, or belongs to another user
├── ProofNotReady           the invoice is not final yet, or charges no usage
├── QuotaExceeded           all jobs of the period are used or reserved
├── PlanForbidden           the plan does not include the task type or operation
├── IdempotencyMismatch     the key was used for another request
├── IdempotencyInProgress   the same request is being executed
├── IdempotencyKeyRequired  the operation needs an Idempotency-Key
├── ResponseNotStored       the request was executed, and its response had a secret
├── RateLimited             the limit of the category is reached
├── NotAllowed              the account or the API key may not do this
├── CommandConflict         the state of the job rules the command out
├── CommandInvalid          the command's handler refuses its content
├── PayloadTooLarge         the parameters are too large for a job
├── WebhookRefused          a webhook is not signed, or is no event
├── EventUnreadable         an event is of another mode or version of Stripe
├── PaymentDeclined         the payment provider declined the payment
├── UnknownRefusal          the handler's error code is not in the contract
├── UserStreamLimitReached  the user has too many open streams
└── StreamCapacityReached   the process has too many open streams
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from msaas.kernel import ErrorKind, MsaasError, Overloaded


class JobNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "Job not found."


class BulkChangeNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "Bulk change not found."


class ResultNotAvailable(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "The job has no result."


class ResultRemoved(MsaasError):
    code: ClassVar[str] = "gone"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "The result of this job is no longer kept."


class FileNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "File not found."


class RunNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "Agent run not found."


class PassageNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "The text is no longer kept, or has no such place."


class ApprovalNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "The run has not asked for this."


class FieldFault(NamedTuple):
    kind: str
    path: tuple[str | int, ...]
    message: str


class AnswerRefused(MsaasError):
    code: ClassVar[str] = "validation_failed"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE

    def __init__(self, faults: Sequence[FieldFault]) -> None:
        super().__init__("The answer does not fit the form.")
        self.faults = faults


class InvoiceNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "Invoice not found."


class ProofNotReady(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = (
        "There is no proof: the invoice charges no usage, or became final a moment ago."
    )


class QuotaExceeded(MsaasError):
    code: ClassVar[str] = "quota_exceeded"
    kind: ClassVar[ErrorKind] = ErrorKind.PAYMENT_REQUIRED
    public_context: ClassVar[frozenset[str]] = frozenset(
        {"limit", "used", "reserved", "resets_at", "upgrade_url", "blocked_by"}
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
    default_message: ClassVar[str] = "The same request is in progress. Try again shortly."


class IdempotencyKeyRequired(MsaasError):
    code: ClassVar[str] = "idempotency_key_required"
    kind: ClassVar[ErrorKind] = ErrorKind.INVALID
    default_message: ClassVar[str] = "This operation requires an Idempotency-Key."


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
    default_message: ClassVar[str] = "The rate limit is reached."


class NotAllowed(MsaasError):
    code: ClassVar[str] = "forbidden"
    kind: ClassVar[ErrorKind] = ErrorKind.FORBIDDEN


class CommandConflict(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT


class CommandInvalid(MsaasError):
    code: ClassVar[str] = "validation_failed"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE


class PayloadTooLarge(MsaasError):
    code: ClassVar[str] = "payload_too_large"
    kind: ClassVar[ErrorKind] = ErrorKind.TOO_LARGE


class WebhookRefused(MsaasError):
    code: ClassVar[str] = "malformed"
    kind: ClassVar[ErrorKind] = ErrorKind.INVALID
    default_message: ClassVar[str] = "The signature does not match the body."


class EventUnreadable(MsaasError):
    code: ClassVar[str] = "malformed"
    kind: ClassVar[ErrorKind] = ErrorKind.INVALID


class PaymentDeclined(MsaasError):
    code: ClassVar[str] = "payment_declined"
    kind: ClassVar[ErrorKind] = ErrorKind.PAYMENT_REQUIRED


class UnknownRefusal(MsaasError):
    """An internal error: the gateway and the handler disagree on the contract."""


class UserStreamLimitReached(MsaasError):
    code: ClassVar[str] = "rate_limited"
    kind: ClassVar[ErrorKind] = ErrorKind.RATE_LIMITED
    retryable: ClassVar[bool] = True
    default_message: ClassVar[str] = "Too many live streams are open for this account."


class StreamCapacityReached(Overloaded):
    default_message: ClassVar[str] = "No more live streams can be opened now."
