"""Why a run ends early or pauses."""

from typing import ClassVar

from msaas.agents.domain.models import TokenUsage
from msaas.kernel import ErrorKind, MsaasError


class CeilingReached(MsaasError):
    """A ceiling of the run, its user or its plan allows no further call; `ceiling` names it."""

    code: ClassVar[str] = "quota_exceeded"

    def __init__(self, ceiling: str) -> None:
        super().__init__("A ceiling of the run is reached.", ceiling=ceiling)
        self.ceiling = ceiling


class StaleRun(MsaasError):
    """Another worker has taken the run; nothing that this one does counts."""

    code: ClassVar[str] = "conflict"


class ModelUnavailable(MsaasError):
    """No provider answers; `usage` and the cost are what the failed requests may have used."""

    code: ClassVar[str] = "dependency_unavailable"
    default_message: ClassVar[str] = "No language model answers at the moment."

    def __init__(
        self,
        safe_message: str | None = None,
        *,
        usage: TokenUsage | None = None,
        cost_micro_usd: int = 0,
        **context: object,
    ) -> None:
        super().__init__(safe_message, **context)
        self.usage = usage or TokenUsage(tokens_in=0, tokens_out=0)
        self.cost_micro_usd = cost_micro_usd


class ModelAnswerInvalid(ModelUnavailable):
    """The answer does not fit the schema, and asking once more has not helped."""

    code: ClassVar[str] = "model_answer_invalid"
    default_message: ClassVar[str] = "The language model gave no usable answer."


class MemoryUnavailable(MsaasError):
    """The memory of earlier runs does not answer; a run goes on without it."""

    code: ClassVar[str] = "dependency_unavailable"
    default_message: ClassVar[str] = "The memory of earlier runs is unavailable."


class RunNotFound(MsaasError):
    """The run, or the user that it belongs to, does not exist."""

    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "This run does not exist."


class ApprovalNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "This question does not exist."


class ApprovalClosed(MsaasError):
    """The question has expired, its run has ended, or the answer is of another kind."""

    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    default_message: ClassVar[str] = "This question can no longer be answered."
