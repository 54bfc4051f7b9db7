"""The settings of models: which providers are asked, and what is refused before a start."""

from typing import ClassVar

import pytest
from pydantic_settings import SettingsConfigDict

from msaas.agents.adapters.embeddings import HttpEmbedder, LocalEmbedder
from msaas.agents.model_parts import build_embedder, build_models
from msaas.agents.model_settings import ModelSettings
from msaas.settings import SettingsInvalid, load_settings
from msaas.telemetry import Metrics

KEY = "sk-canary-0123456789"


class Settings(ModelSettings):
    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="AGENTS_")


def load(**given: str) -> Settings:
    return load_settings(Settings, {"ENVIRONMENT": "local", **given})


@pytest.mark.parametrize(
    ("given", "order"),
    [
        ({}, ("offline",)),
        ({"OPENAI_API_KEY": KEY}, ("openai",)),
        ({"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY}, ("openai", "anthropic")),
        (
            {
                "OPENAI_API_KEY": KEY,
                "ANTHROPIC_API_KEY": KEY,
                "AGENTS_PROVIDERS": "anthropic, openai, offline",
            },
            ("anthropic", "openai", "offline"),
        ),
        (
            {
                "AGENTS_OPENAI_URL": "http://127.0.0.1:8080/v1",
                "AGENTS_OPENAI_MODEL": "mine",
                "AGENTS_MODEL_PRICES": '{"mine": [0, 0.25]}',
            },
            ("openai",),
        ),
    ],
)
async def test_the_order_of_providers(given: dict[str, str], order: tuple[str, ...]) -> None:
    settings = load(**given)
    assert settings.provider_order == order
    metrics = Metrics("agents", "test")
    embedder = build_embedder(settings, metrics)
    assert isinstance(embedder, LocalEmbedder)
    models = build_models(settings, metrics, embedder)
    await models.close()
    await embedder.close()
    assert KEY not in repr(settings)


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"AGENTS_PROVIDERS": "openai"}, "AGENTS_PROVIDERS"),
        ({"AGENTS_PROVIDERS": "offline,offline"}, "AGENTS_PROVIDERS"),
        ({"AGENTS_PROVIDERS": "other"}, "AGENTS_PROVIDERS"),
        ({"OPENAI_API_KEY": KEY, "AGENTS_OPENAI_MODEL": "unknown"}, "AGENTS_PROVIDERS"),
        ({"AGENTS_OPENAI_URL": "http://models.example/v1"}, "AGENTS_OPENAI_URL"),
        ({"AGENTS_OPENAI_URL": "https://user:pass@models.example"}, "AGENTS_OPENAI_URL"),
        ({"AGENTS_ANTHROPIC_URL": "ftp://models.example"}, "AGENTS_ANTHROPIC_URL"),
        ({"AGENTS_MODEL_PRICES": '{"m": [1]}'}, "AGENTS_MODEL_PRICES"),
        ({"AGENTS_MODEL_PRICES": '{"m": [-1, 2]}'}, "AGENTS_MODEL_PRICES"),
        ({"AGENTS_MODEL_PRICES": '{"m": ["NaN", 2]}'}, "AGENTS_MODEL_PRICES"),
        ({"AGENTS_MODEL_PRICES": "cheap"}, "AGENTS_MODEL_PRICES"),
    ],
)
def test_a_setting_that_cannot_work_is_named(given: dict[str, str], variable: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(**given)
    assert set(caught.value.problems) == {variable}
    assert KEY not in str(caught.value)


def test_production_needs_a_key_for_names_of_collections() -> None:
    with pytest.raises(SettingsInvalid, match="AGENTS_MEMORY_KEY is missing"):
        load_settings(Settings, {"ENVIRONMENT": "production"})


async def test_an_address_of_embeddings_replaces_the_packaged_model() -> None:
    settings = load(
        AGENTS_EMBEDDINGS_URL="https://embeddings.example/v1", AGENTS_EMBEDDINGS_DIMENSIONS="16"
    )
    embedder = build_embedder(settings, Metrics("agents", "test"))
    assert isinstance(embedder, HttpEmbedder)
    assert embedder.dimensions == 16
    await embedder.close()
