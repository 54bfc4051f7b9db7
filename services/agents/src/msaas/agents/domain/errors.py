"""Why a run ends early or pauses."""

from msaas.kernel import MsaasError


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
