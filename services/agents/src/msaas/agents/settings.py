"""The settings of the process, read from the environment."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from msaas.settings import RedisSettings


class Settings(RedisSettings):
    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="AGENTS_")

    internal_host: str = "127.0.0.1"
    internal_port: int = Field(default=9007, ge=0, le=65_535)
