"""The environments of a process, which decide how strict its settings are."""

from enum import StrEnum


class Environment(StrEnum):
    LOCAL = "local"
    TEST = "test"
    STAGING = "staging"
    PRODUCTION = "production"

    @property
    def is_local(self) -> bool:
        """Return whether local services and default secrets are allowed."""
        return self in {Environment.LOCAL, Environment.TEST}
