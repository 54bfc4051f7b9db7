"""What a command can run into.

MsaasError
├── QuotaExceeded         the period's jobs are used or reserved
├── IdempotencyMismatch   the key was used for something else
├── UserErasing           the user is about to be forgotten
├── UserUnknown           no such user here
├── JobUnknown            no such job of this user
├── JobFinished           too late to cancel
├── JobNotFailed          nothing to begin anew
├── ParentEnded           too late for another child
├── PayloadGone           what it was to do has been dropped
├── DeadlineOver          it would be too late
├── LetterUnknown         no such dead letter
├── LetterResolved        an operator has closed it
├── LetterUnreadable      this release can read it no better
├── ReplaysExhausted      it died as often as it was replayed
├── JobTaken              the id belongs to somebody else's job
├── SubjectUnknown        nobody is counted for under this id
├── PeriodUnknown         nothing was counted in this period
├── CorrectionTooLarge    less than nothing would be used
├── TaskTypeUnknown       not in the catalogue
├── ParamsInvalid         not what the task takes
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
