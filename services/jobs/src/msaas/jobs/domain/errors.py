"""The errors of commands and billing events.

MsaasError
├── QuotaExceeded         the jobs of the period are used or reserved
├── IdempotencyMismatch   the key was used for another request
├── UserBeingErased       the user's account is being erased
├── UserNotFound          no such user
├── JobNotFound           no such job of this user
├── JobFinished           too late to cancel
├── JobNotFailed          only a failed job can be retried
├── ParentEnded           too late for another child
├── PayloadGone           the payload was deleted
├── DeadlineExpired       the deadline has passed
├── DeadLetterNotFound    no such dead letter
├── DeadLetterResolved    an operator has resolved it
├── DeadLetterUnreadable  it still cannot be decoded
├── ReplaysExhausted      it was replayed as often as allowed
├── JobIdTaken            the id belongs to another user's job
├── SubjectNotFound       no such billing subject
├── PeriodNotFound        nothing was counted in this period
├── CorrectionTooLarge    less than nothing would be used
├── TaskTypeNotFound      not in the catalogue
├── CommandExpired        its sender no longer waits, and it had done nothing
├── PayloadInvalid        not what the task accepts
├── PayloadTooLarge       no envelope could carry it
└── PlanForbidden         in the catalogue, not in the plan
"""

from typing import ClassVar

from msaas.kernel import ErrorKind, MsaasError


class QuotaExceeded(MsaasError):
    code: ClassVar[str] = "quota_exceeded"
    kind: ClassVar[ErrorKind] = ErrorKind.PAYMENT_REQUIRED
    default_message: ClassVar[str] = "All jobs of this period are used or reserved."


class IdempotencyMismatch(MsaasError):
    code: ClassVar[str] = "idempotency_mismatch"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE
    default_message: ClassVar[str] = "This Idempotency-Key was used for a different request."


class UserBeingErased(MsaasError):
    code: ClassVar[str] = "forbidden"
    kind: ClassVar[ErrorKind] = ErrorKind.FORBIDDEN
    default_message: ClassVar[str] = "This account is being erased."


class UserNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "There is no such user."


class JobNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "There is no such job."


class JobFinished(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "The job has already ended."


class JobNotFailed(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "Only a job that has failed can be retried."


class ParentEnded(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "The parent job has ended or is being cancelled."


class PayloadGone(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "The job's parameters are no longer kept."


class DeadlineExpired(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "The job's deadline has passed."


class DeadLetterNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "There is no such dead letter."


class DeadLetterResolved(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "The dead letter has been resolved."


class DeadLetterUnreadable(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "The dead letter still cannot be decoded."


class ReplaysExhausted(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "The dead letter has reached its maximum number of replays."


class JobIdTaken(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "This job id is already in use."


class TaskTypeNotFound(MsaasError):
    code: ClassVar[str] = "validation_failed"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE
    default_message: ClassVar[str] = "There is no such task type."


class PayloadInvalid(MsaasError):
    code: ClassVar[str] = "validation_failed"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE
    default_message: ClassVar[str] = "The payload does not match its task type."


class CommandExpired(MsaasError):
    code: ClassVar[str] = "command_timeout"
    kind: ClassVar[ErrorKind] = ErrorKind.TIMEOUT
    default_message: ClassVar[str] = "The command has expired."


class PayloadTooLarge(MsaasError):
    code: ClassVar[str] = "payload_too_large"
    kind: ClassVar[ErrorKind] = ErrorKind.TOO_LARGE
    default_message: ClassVar[str] = "The payload is too large for its task type."


class PlanForbidden(MsaasError):
    code: ClassVar[str] = "plan_forbidden"
    kind: ClassVar[ErrorKind] = ErrorKind.FORBIDDEN
    default_message: ClassVar[str] = "The plan does not include this task type."


class SubjectNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "There is no such billing subject."


class PeriodNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "There is no usage counter for this period."


class CorrectionTooLarge(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "The correction exceeds the recorded usage."


def describe_error(error: MsaasError) -> dict[str, object]:
    """Return the problem of one item of a reply."""
    return {
        "code": error.code,
        "detail": error.safe_message,
        "retryable": error.retryable,
        "context": dict(error.context),
    }
