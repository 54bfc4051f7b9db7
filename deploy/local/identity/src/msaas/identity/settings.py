"""The settings, read from the environment."""

from typing import Annotated, ClassVar

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import SettingsConfigDict

from msaas.settings import Environment, LocalDefault, PostgresSettings


class Settings(PostgresSettings):
    """`public_url` is the SUPABASE_URL of the clients, `site_url` where links lead by default."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="IDENTITY_")

    host: str = "127.0.0.1"
    port: int = Field(default=9999, ge=0, le=65_535)
    internal_port: int = Field(default=9004, ge=0, le=65_535)
    public_url: str = "http://127.0.0.1:9999"
    site_url: str = "http://127.0.0.1:3000"
    anon_key: Annotated[SecretStr, LocalDefault("local-anon-key")]
    sign_ins_per_minute: int = Field(default=10, ge=1)

    @field_validator("environment")
    @classmethod
    def refuse_production(cls, environment: Environment) -> Environment:
        if not environment.is_local:
            raise PydanticCustomError(
                "stand_in", "this is a stand-in for one machine: set SUPABASE_URL instead"
            )
        return environment

    @property
    def issuer(self) -> str:
        return f"{self.public_url.rstrip('/')}/auth/v1"
