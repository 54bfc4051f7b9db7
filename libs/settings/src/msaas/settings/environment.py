"""Names where a process runs, which decides how strict its settings are."""

from enum import StrEnum


class Environment(StrEnum):
    LOCAL = "local"
    TEST = "test"
    STAGING = "staging"
    PRODUCTION = "production"

    @property
    def is_local(self) -> bool:
        """Tell whether stand-ins and default secrets are in order here."""
        return self in {Environment.LOCAL, Environment.TEST}
