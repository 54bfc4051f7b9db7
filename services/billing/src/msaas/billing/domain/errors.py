"""What billing refuses, and what it cannot do."""

from typing import ClassVar

from msaas.kernel import DependencyUnavailable, ErrorKind, MsaasError


class StripeUnavailable(DependencyUnavailable):
    default_message: ClassVar[str] = "The payment provider does not answer, try again shortly."


class StripeRefused(MsaasError):
    """Stripe answered that the request is wrong: another attempt would be refused too."""

    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "The payment provider refused this change."


class StripeObjectMissing(StripeRefused):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "The payment provider does not know this object."


class PaymentDeclined(StripeRefused):
    code: ClassVar[str] = "payment_declined"
    kind: ClassVar[ErrorKind] = ErrorKind.PAYMENT_REQUIRED
    default_message: ClassVar[str] = "The payment was declined. Update the payment method."


class CatalogueMissing(MsaasError):
    code: ClassVar[str] = "dependency_unavailable"
    kind: ClassVar[ErrorKind] = ErrorKind.UNAVAILABLE
    retryable: ClassVar[bool] = True
    default_message: ClassVar[str] = "Plans are not on sale yet. Run ./msaas billing setup."


class AlreadySubscribed(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "You have a subscription already: change its plan instead."


class NotSubscribed(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "You have no subscription to change: choose a plan first."


class PlanNotOnSale(MsaasError):
    code: ClassVar[str] = "validation_failed"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE
    default_message: ClassVar[str] = "This plan cannot be bought."


class IdempotencyMismatch(MsaasError):
    code: ClassVar[str] = "idempotency_mismatch"
    kind: ClassVar[ErrorKind] = ErrorKind.UNPROCESSABLE
    default_message: ClassVar[str] = "This Idempotency-Key was used for another request."


class EventNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "No event of Stripe has this id."


class UserNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "This user does not exist."


class EventRefused(MsaasError):
    """An event of another mode or version of Stripe: this deployment cannot read it."""

    code: ClassVar[str] = "malformed"
    kind: ClassVar[ErrorKind] = ErrorKind.INVALID
    default_message: ClassVar[str] = "This event is of another mode or version of Stripe."


class UsageRefused(MsaasError):
    """An entry that is not what its hash says, or that contradicts a stored one."""

    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "This usage contradicts what is recorded."


class UsageNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "No usage of this job is recorded."


class CorrectionMustWait(MsaasError):
    """Something of the same usage is on its way to Stripe: what is known of it comes first."""

    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "This usage is being reported: try again in a few minutes."
