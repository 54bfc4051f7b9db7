"""Why a run ends early or pauses."""

from typing import ClassVar

from msaas.kernel import ErrorKind, MsaasError


class CeilingReached(MsaasError):
    """A ceiling of the run, its user or its plan allows no further call; `ceiling` names it."""

    code = "quota_exceeded"

    def __init__(self, ceiling: str) -> None:
        super().__init__("A ceiling of the run is reached.", ceiling=ceiling)
        self.ceiling = ceiling


class StaleRun(MsaasError):
    """Another worker has taken the run; nothing that this one does counts."""

    code = "conflict"


class ModelUnavailable(MsaasError):
    """No provider answers."""

    code = "dependency_unavailable"


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
