"""The settings of the gateway, read from the environment."""

import re
from ipaddress import ip_network
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError
from pydantic_settings import SettingsConfigDict

from msaas.settings import (
    ArtifactSettings,
    CommaList,
    LocalDefault,
    PostgresSettings,
    RedisSettings,
)

# The public half of the local default of the jobs service; production requires both.
LOCAL_SEALING_KEY = "db5d7787:v-UvuN-RVGiSUc888FuNQW7Mf3XKgCYqg4cHBTjlJjM"


def _networks(networks: tuple[str, ...]) -> tuple[str, ...]:
    for network in networks:
        ip_network(network)
    return networks


def _matching(pattern: str, what: str) -> AfterValidator:
    def check(items: tuple[str, ...]) -> tuple[str, ...]:
        if all(re.fullmatch(pattern, item) for item in items):
            return items
        raise PydanticCustomError("form", "must list {what}", {"what": what})

    return AfterValidator(check)


# An origin as a browser sends it, without a wildcard or a path.
_Origins = Annotated[
    CommaList, _matching(r"https?://[a-z0-9.-]+(:\d{1,5})?", "origins like https://app.example.com")
]
_Hosts = Annotated[
    CommaList, _matching(r"(\*\.)?[a-z0-9.-]+|\[[0-9a-f:.]+\]", "hosts without scheme and port")
]


class Settings(PostgresSettings, RedisSettings, ArtifactSettings):
    """`database_url` is the login that writes users, `read_database_url` the one that reads views.

    `summaries_database_url` is a read replica for summaries, with the read login.
    `allowed_hosts` are the accepted Host names; empty accepts all.
    `api_key_peppers` are separated by commas; the first hashes new keys, all find existing keys.
    `stripe_webhook_secrets` are separated by commas: two while a secret is rotated.
    `billing_return_url` is the page that Stripe sends users back to.
    `sealing_key` is the public half of the first of `JOBS_SEALING_KEYS`; `trusted_proxies` are the
    networks whose X-Forwarded-For is believed.
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
    trusted_proxies: Annotated[CommaList, AfterValidator(_networks)] = ()
    rate_limits_enforced: bool = True
    cors_origins: _Origins = Field(default=(), validation_alias="CORS_ORIGINS")
    allowed_hosts: _Hosts = ()
    fingerprint_key: Annotated[SecretStr, LocalDefault("local-fingerprint-key")]
    api_key_peppers: Annotated[SecretStr, LocalDefault("local-api-key-pepper")]
    sealing_key: Annotated[str, LocalDefault(LOCAL_SEALING_KEY)]
    stripe_webhook_secrets: Annotated[SecretStr, LocalDefault("whsec_local")] = Field(
        validation_alias="STRIPE_WEBHOOK_SECRET"
    )
    billing_return_url: Annotated[str, LocalDefault("http://localhost:3000/billing")] = Field(
        pattern=r"^https?://[!-~]+$"
    )
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    streams_per_user: int = Field(default=10, ge=1)
    streams_per_process: int = Field(default=2_000, ge=1)

    @property
    def issuer(self) -> str:
        return f"{self.supabase_url.rstrip('/')}/auth/v1"

    @property
    def jwks_url(self) -> str:
        return self.supabase_jwt_jwks_url or f"{self.issuer}/.well-known/jwks.json"


class RetentionSettings(PostgresSettings):
    """The command needs the login that writes users, and nothing else."""
