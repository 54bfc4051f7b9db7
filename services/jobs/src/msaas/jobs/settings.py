"""What the two kinds of process take from the environment."""

from typing import ClassVar, Final

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from msaas.settings import PostgresSettings, RedisSettings

_OURS: Final = SettingsConfigDict(env_prefix="JOBS_")


class _OneImage(RedisSettings):
    """What either kind may find in its environment, also where only the other uses it.

    `dispatch_window`: how many envelopes of a topic may wait for a worker.
    """

    internal_host: str = "127.0.0.1"
    dispatch_window: int = Field(default=200, ge=1, le=5_000)
    worker_slots: int = Field(default=50, ge=1, le=1_000)


class Settings(_OneImage, PostgresSettings):
    model_config: ClassVar[SettingsConfigDict] = _OURS

    internal_port: int = Field(default=9001, ge=0, le=65_535)


class AskSettings(RedisSettings):
    """An operator's word needs the wire and nothing else."""


class WorkerSettings(_OneImage):
    """No database: a worker's one credential is the wire's."""

    model_config: ClassVar[SettingsConfigDict] = _OURS

    internal_port: int = Field(default=9002, ge=0, le=65_535)
