"""What the gateway takes from the environment."""

from typing import Annotated, ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from msaas.settings import CommaList, LocalDefault, PostgresSettings, RedisSettings

# The public half of the default that jobs has; in production both have to be given.
LOCAL_SEALING_KEY = "db5d7787:v-UvuN-RVGiSUc888FuNQW7Mf3XKgCYqg4cHBTjlJjM"


class Settings(PostgresSettings, RedisSettings):
    """`database_url` is the login that keeps users, `read_database_url` the one that reads.

    `summaries_database_url` is a replica that sums are read from, with the same login.
    `sealing_key` is the public half of the first of `JOBS_SEALING_KEYS`.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="GATEWAY_")

    read_database_url: SecretStr
    summaries_database_url: SecretStr | None = None
    supabase_url: str = Field(validation_alias="SUPABASE_URL", pattern=r"^https?://")
    supabase_jwt_jwks_url: str | None = Field(
        default=None, validation_alias="SUPABASE_JWT_JWKS_URL"
    )
    supabase_jwt_audience: str = Field(
        default="authenticated", validation_alias="SUPABASE_JWT_AUDIENCE"
    )
    cors_origins: CommaList = Field(default=(), validation_alias="CORS_ORIGINS")
    fingerprint_key: Annotated[SecretStr, LocalDefault("local-fingerprint-key")]
    sealing_key: Annotated[str, LocalDefault(LOCAL_SEALING_KEY)]
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    internal_host: str = "127.0.0.1"
    streams_per_user: int = Field(default=10, ge=1)
    streams_per_process: int = Field(default=2_000, ge=1)

    @property
    def issuer(self) -> str:
        return f"{self.supabase_url.rstrip('/')}/auth/v1"

    @property
    def jwks_url(self) -> str:
        return self.supabase_jwt_jwks_url or f"{self.issuer}/.well-known/jwks.json"
