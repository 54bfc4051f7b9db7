"""The settings that all processes share, and groups that some of them share."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict


class Environment(StrEnum):
    """The environments of a process, which decide how strict its settings are."""

    LOCAL = "local"
    TEST = "test"
    STAGING = "staging"
    PRODUCTION = "production"

    @property
    def is_local(self) -> bool:
        """Return whether local services and default secrets are allowed."""
        return self in {Environment.LOCAL, Environment.TEST}


@dataclass(frozen=True, slots=True)
class LocalDefault:
    """The default of a secret in local mode; in other environments the variable is required."""

    value: str


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(part for part in (part.strip() for part in value.split(",")) if part)
    return value


CommaList = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]


def _starts_with(*schemes: str) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, str) and not value.startswith(tuple(f"{s}://" for s in schemes)):
            raise PydanticCustomError(
                "url_scheme", "must start with {scheme}://", {"scheme": schemes[0]}
            )
        return value

    return BeforeValidator(check)


class ServiceSettings(BaseSettings):
    """The base class of a service's settings, which must set `env_prefix`.

    Creating an object reads no variables; `load_settings` does.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        frozen=True, extra="forbid", enable_decoding=False, hide_input_in_errors=True
    )

    environment: Environment = Field(validation_alias="ENVIRONMENT")
    otel_exporter_otlp_endpoint: Annotated[str, _starts_with("https", "http")] | None = Field(
        default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    otel_traces_sampler_arg: float = Field(
        default=0.1, ge=0, le=1, validation_alias="OTEL_TRACES_SAMPLER_ARG"
    )
    prometheus_enabled: bool = Field(default=True, validation_alias="PROMETHEUS_ENABLED")
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$")] = "INFO"
    internal_host: str = "127.0.0.1"
    internal_port: int = Field(default=9000, ge=0, le=65_535)
    # Variables whose URL may be local or unencrypted in production (a sidecar, a private network).
    insecure_urls_allowed: CommaList = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # the base's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # see above
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # see above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # see above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        for name, field in cls.model_fields.items():
            if isinstance(field.default, SecretStr):
                raise TypeError(f"{cls.__name__}.{name}: a secret takes a LocalDefault, no default")

    @classmethod
    def variables(cls) -> dict[str, FieldInfo]:
        """Map the name of each environment variable to its field."""
        return {cls.variable_of(name): field for name, field in cls.model_fields.items()}

    @classmethod
    def variable_of(cls, name: str) -> str:
        """Return the environment variable of a field."""
        field = cls.model_fields.get(name)
        alias = field and field.validation_alias
        prefix = cls.model_config.get("env_prefix", "")
        return str(alias or f"{prefix}{name}").upper()

    def __repr_args__(self) -> list[tuple[str | None, object]]:
        # Any URL may contain a password or a token.
        shown = dict(super().__repr_args__())
        return [(n, "…" if isinstance(v, str) and "://" in v else v) for n, v in shown.items()]


class PostgresSettings(ServiceSettings):
    database_url: Annotated[
        SecretStr, _starts_with("postgresql", "postgres", "postgresql+asyncpg")
    ] = Field(validation_alias="DATABASE_URL")


class RedisSettings(ServiceSettings):
    redis_url: Annotated[SecretStr, _starts_with("rediss", "redis", "unix")] = Field(
        validation_alias="REDIS_URL"
    )


def _require_with_links(key: SecretStr | None, given: ValidationInfo) -> SecretStr | None:
    """Refuse links without a key: everybody could sign them."""
    if given.data.get("artifacts_link_url") and not key:
        raise PydanticCustomError("link_key", "is required where ARTIFACTS_LINK_URL is set")
    return key


class ArtifactSettings(ServiceSettings):
    """Without `ARTIFACTS_URL` no files are stored.

    A bucket (`s3://bucket/prefix`) needs a key pair, and an endpoint unless it is Amazon's; a
    folder (`file:///folder`) needs the URL of its file server and the key that signs links.
    """

    artifacts_url: str | None = Field(
        default=None, validation_alias="ARTIFACTS_URL", pattern=r"^(s3|file)://"
    )
    artifacts_endpoint: str = Field(default="", validation_alias="ARTIFACTS_ENDPOINT")
    artifacts_region: str = Field(default="auto", validation_alias="ARTIFACTS_REGION")
    artifacts_key_id: str = Field(default="", validation_alias="ARTIFACTS_KEY_ID")
    artifacts_secret: SecretStr | None = Field(default=None, validation_alias="ARTIFACTS_SECRET")
    artifacts_link_url: str = Field(default="", validation_alias="ARTIFACTS_LINK_URL")
    artifacts_link_key: Annotated[SecretStr | None, AfterValidator(_require_with_links)] = Field(
        default=None, validation_alias="ARTIFACTS_LINK_KEY", validate_default=True
    )

    @property
    def artifact_store_options(self) -> dict[str, Any] | None:
        """Return the arguments of the artifact store by name."""
        if self.artifacts_url is None:
            return None
        return {
            "url": self.artifacts_url,
            "endpoint": self.artifacts_endpoint,
            "region": self.artifacts_region,
            "key_id": self.artifacts_key_id,
            "secret": _reveal(self.artifacts_secret),
            "link_url": self.artifacts_link_url,
            "link_key": _reveal(self.artifacts_link_key),
        }


def _reveal(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
