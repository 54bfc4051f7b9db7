"""The settings of models, embeddings and memory; the process's own settings inherit them."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar, Final, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import SettingsConfigDict

from msaas.agents.adapters.models.prices import KNOWN_PRICES, TokenPrice
from msaas.settings import CommaList, LocalDefault, ServiceSettings

_NEED_A_KEY: Final = ("openai", "anthropic")
# What the names of collections are made with on one machine: everyone knows it.
LOCAL_MEMORY_KEY: Final = "6d656d6f7279" * 5 + "6b65"
_MODEL_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$"


def _refuse(problem: str) -> PydanticCustomError:
    return PydanticCustomError("model_settings", "{problem}", {"problem": problem})


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _require_https(url: str | None) -> str | None:
    """Refuse what would send keys and prompts in plain text, or a key inside of an address."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _refuse("must be an address") from None
    if not host or parts.username is not None or parts.query or parts.fragment:
        raise _refuse("must be an address without user, query and fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise _refuse("must start with https://")
    return url


def _read_prices(value: object) -> object:
    """Read `{"model": [dollars for a million tokens in, out]}`."""
    if not isinstance(value, str):
        return value
    try:
        given = cast("Mapping[str, tuple[Any, Any]]", json.loads(value, parse_float=Decimal))
        prices = {model: _read_price(*pair) for model, pair in given.items()}
    except (ValueError, TypeError, AttributeError, InvalidOperation):
        raise _refuse('must be like {"model": [0.4, 1.6]}, in USD per million tokens') from None
    return prices


def _read_price(dollars_in: Any, dollars_out: Any) -> TokenPrice:
    price = TokenPrice(Decimal(dollars_in), Decimal(dollars_out))
    if not all(each.is_finite() and 0 <= each <= 10_000 for each in (price.input, price.output)):  # noqa: PLR2004  # no price is higher
        raise ValueError("no price")
    return price


HttpsUrl = Annotated[str | None, AfterValidator(_require_https)]
Prices = Annotated[Mapping[str, TokenPrice], BeforeValidator(_read_prices)]


def _list_reachable(given: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        name for name in _NEED_A_KEY if given.get(f"{name}_api_key") or given.get(f"{name}_url")
    )


def _check_providers(names: tuple[str, ...], given: ValidationInfo) -> tuple[str, ...]:
    reachable = _list_reachable(given.data)
    prices = {**KNOWN_PRICES, **given.data.get("model_prices", {})}
    if len(set(names)) < len(names) or not set(names) <= {*_NEED_A_KEY, "offline"}:
        raise _refuse(f"takes each of {', '.join(_NEED_A_KEY)} and offline at most once")
    for name in set(names or reachable) - {"offline"}:
        if name not in reachable:
            raise _refuse(f"names {name}, whose key is missing: {name.upper()}_API_KEY")
        if given.data.get(f"{name}_model") not in prices:
            # Without a price no ceiling of money holds.
            raise _refuse(f"names {name}, whose model has no price in AGENTS_MODEL_PRICES")
    return names


class ModelSettings(ServiceSettings):
    """Which providers are asked, in which order, and within which limits.

    Without `AGENTS_PROVIDERS` those are asked that have a key, or an address of their own; without
    any it is the offline provider, which calls nobody.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="AGENTS_")

    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_url: HttpsUrl = None
    openai_model: str = Field(default="gpt-4.1-mini", pattern=_MODEL_NAME)
    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias="ANTHROPIC_API_KEY")
    anthropic_url: HttpsUrl = None
    anthropic_model: str = Field(default="claude-haiku-4-5", pattern=_MODEL_NAME)
    model_prices: Prices = Field(default_factory=dict)
    model_connect_seconds: float = Field(default=5, gt=0, le=60)
    model_first_byte_seconds: float = Field(default=30, gt=0, le=600)
    model_idle_seconds: float = Field(default=20, gt=0, le=600)
    model_whole_seconds: float = Field(default=120, gt=0, le=3_600)
    model_requests: int = Field(default=3, ge=1, le=10)
    model_paid_requests: int = Field(default=2, ge=1, le=10)
    model_max_tokens: int = Field(default=8_192, ge=16, le=200_000)
    embeddings_url: HttpsUrl = None
    embeddings_model: str = Field(default="text-embedding-3-small", pattern=_MODEL_NAME)
    embeddings_dimensions: int = Field(default=1_536, ge=8, le=8_192)
    embeddings_api_key: SecretStr | None = None
    chroma_persist_dir: str | None = Field(default=None, validation_alias="CHROMA_PERSIST_DIR")
    chroma_url: str | None = Field(
        default=None, validation_alias="CHROMA_URL", pattern=r"^https?://"
    )
    memory_key: Annotated[SecretStr, LocalDefault(LOCAL_MEMORY_KEY)]

    # The last field, because it is checked against the others.
    providers: Annotated[CommaList, AfterValidator(_check_providers)] = Field(
        default=(), validate_default=True
    )

    @property
    def provider_order(self) -> tuple[str, ...]:
        return self.providers or _list_reachable(dict(self)) or ("offline",)

    @property
    def prices(self) -> Mapping[str, TokenPrice]:
        return {**KNOWN_PRICES, **self.model_prices}
