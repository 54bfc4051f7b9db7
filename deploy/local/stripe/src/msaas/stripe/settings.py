"""The settings, read from the environment."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import SettingsConfigDict

from msaas.settings import Environment, ServiceSettings


class Settings(ServiceSettings):
    """`public_url` is the address that clients and browsers use."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="LOCAL_STRIPE_")

    host: str = "127.0.0.1"
    port: int = Field(default=12111, ge=0, le=65_535)
    internal_port: int = Field(default=12112, ge=0, le=65_535)
    public_url: str = "http://127.0.0.1:12111"
    data: Path | None = None  # the file with all objects; without it they end with the process
    # The secret of new endpoints; without it each gets its own, as at Stripe.
    webhook_secret: SecretStr | None = None
    aggregation_delay: float = Field(default=0.0, ge=0)
    # Stripe pauses five minutes before the second attempt: one second here.
    retry_scale: float = Field(default=1 / 300, gt=0)
    webhook_timeout: float = Field(default=10.0, gt=0)
    requests_per_second: int = Field(default=100, ge=0)  # 0 lifts the limit
    meter_events_per_second: int = Field(default=1_000, ge=0)
    stream_requests_per_second: int = Field(default=10_000, ge=0)

    @field_validator("environment")
    @classmethod
    def refuse_production(cls, environment: Environment) -> Environment:
        if not environment.is_local:
            raise PydanticCustomError(
                "stand_in", "this is a stand-in for one machine: set STRIPE_API_KEY instead"
            )
        return environment
