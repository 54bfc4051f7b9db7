"""The settings of the process, read from the environment."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from msaas.agents.model_settings import ModelSettings
from msaas.settings import PostgresSettings, RedisSettings


class AgentSettings(RedisSettings, PostgresSettings, ModelSettings):
    """`slots` is the number of runs that are worked on at once; those that wait hold none."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="AGENTS_")

    internal_host: str = "127.0.0.1"
    internal_port: int = Field(default=9007, ge=0, le=65_535)
    slots: int = Field(default=50, ge=1, le=500)


class RetentionSettings(PostgresSettings):
    """The command needs the service's database, and neither models nor Redis."""
