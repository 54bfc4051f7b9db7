"""The settings of the two kinds of process."""

from typing import Annotated, ClassVar, Final

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from msaas.settings import ArtifactSettings, LocalDefault, PostgresSettings, RedisSettings

# The public key is the gateway's default; in production both have to be set.
LOCAL_SEALING_KEY: Final = "db5d7787:YGDJDhWeErmU7OW1ZrSMvWeMPPgYZgZUkdv0RnT8zlM"
_CONFIG: Final = SettingsConfigDict(env_prefix="JOBS_")


class _SharedSettings(RedisSettings):
    """Settings that both kinds accept, also where only the other uses them.

    `dispatch_window`: how many envelopes of a topic may wait for a worker.
    """

    dispatch_window: int = Field(default=200, ge=1, le=5_000)
    worker_slots: int = Field(default=50, ge=1, le=1_000)


class Settings(_SharedSettings, PostgresSettings, ArtifactSettings):
    """`sealing_keys`: private keys separated by commas, the current one first."""

    model_config: ClassVar[SettingsConfigDict] = _CONFIG

    sealing_keys: Annotated[SecretStr, LocalDefault(LOCAL_SEALING_KEY)]
    internal_port: int = Field(default=9001, ge=0, le=65_535)
    billing_enforcement_enabled: bool = Field(
        default=True, validation_alias="FF_BILLING_ENFORCEMENT_ENABLED"
    )


class OperatorSettings(RedisSettings):
    """A command of an operator needs Redis and nothing else."""


class RetentionSettings(PostgresSettings, ArtifactSettings):
    """The command needs the service's database and its files, and no Redis."""


class WorkerSettings(_SharedSettings):
    """A worker has no database: its only credential is that of Redis."""

    model_config: ClassVar[SettingsConfigDict] = _CONFIG

    internal_port: int = Field(default=9002, ge=0, le=65_535)
