"""The settings of the process, read from the environment."""

import re
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from msaas.settings import LocalDefault, PostgresSettings, RedisSettings

# The key that the local stand-in for Stripe accepts; in production a real one has to be set.
LOCAL_STRIPE_KEY: Final = "sk_test_local"
# What proofs are signed with on one machine: everyone knows it, so it proves nothing elsewhere.
LOCAL_PROOF_KEY: Final = "6c6f63616c" * 6 + "6b65"
_HTTP: Final = r"^https?://"
_CONFIG: Final = SettingsConfigDict(env_prefix="BILLING_")


def _require_key(value: SecretStr) -> SecretStr:
    if re.fullmatch(r"[0-9a-f]{64}", value.get_secret_value()) is None:
        raise ValueError("must be 32 bytes in hexadecimal")
    return value


ProofKey = Annotated[SecretStr, AfterValidator(_require_key)]


class StripeSettings(PostgresSettings):
    """`stripe_url` is None where Stripe itself is called, and the stand-in's address otherwise."""

    model_config: ClassVar[SettingsConfigDict] = _CONFIG

    stripe_api_key: Annotated[SecretStr, LocalDefault(LOCAL_STRIPE_KEY)] = Field(
        validation_alias="STRIPE_API_KEY"
    )
    stripe_url: str | None = Field(default=None, pattern=_HTTP)

    @property
    def livemode(self) -> bool:
        """Return whether the key is of Stripe's live mode: everything else is a test."""
        return self.stripe_api_key.get_secret_value().startswith(("sk_live_", "rk_live_"))


class RetentionSettings(PostgresSettings):
    """The command needs the service's database, and neither Stripe nor Redis."""


class SetUpSettings(StripeSettings):
    """The command needs Stripe and the service's database, and no Redis."""

    model_config: ClassVar[SettingsConfigDict] = _CONFIG


class _ProcessSettings(RedisSettings, StripeSettings):
    """`past_due_grace_days`: how long jobs are accepted after a payment has failed.

    `report_after_seconds`: how long usage waits for more, so that a busy subject has one report.
    `trial_days`: of the trial with which a user's first subscription begins.
    """

    past_due_grace_days: int = Field(default=7, ge=0, le=60)
    report_after_seconds: float = Field(default=60.0, ge=0, le=3_600)
    trial_days: int = Field(default=0, ge=0, le=730)


class Settings(_ProcessSettings):
    """`proof_key`: the 32 secret bytes of an Ed25519 key, in hexadecimal."""

    model_config: ClassVar[SettingsConfigDict] = _CONFIG

    internal_port: int = Field(default=9005, ge=0, le=65_535)
    proof_key: Annotated[ProofKey, LocalDefault(LOCAL_PROOF_KEY)]


class CronSettings(_ProcessSettings):
    model_config: ClassVar[SettingsConfigDict] = _CONFIG

    internal_port: int = Field(default=9006, ge=0, le=65_535)
