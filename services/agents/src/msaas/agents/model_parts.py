"""Makes what the settings of models describe; the composition root's part for them."""

from typing import Protocol

from pydantic import SecretStr

from msaas.agents.adapters.embeddings import HttpEmbedder, LocalEmbedder
from msaas.agents.adapters.memory.workflow_memory import (
    MemoryParts,
    WorkflowMemory,
    get_vectorstore,
)
from msaas.agents.adapters.models.anthropic import ANTHROPIC_URL, AnthropicFormat
from msaas.agents.adapters.models.fallback import CallLimits, FallbackModels, PricedProvider
from msaas.agents.adapters.models.http_provider import HttpProvider, ModelTimeouts
from msaas.agents.adapters.models.offline import OfflineProvider
from msaas.agents.adapters.models.openai import OPENAI_URL, OpenAiFormat
from msaas.agents.adapters.models.prices import FREE
from msaas.agents.application.ports import Embedder
from msaas.agents.application.stores import MemoryTexts
from msaas.agents.model_settings import ModelSettings
from msaas.telemetry import Metrics


class ClosableEmbedder(Embedder, Protocol):
    @property
    def model(self) -> str: ...

    async def close(self) -> None: ...


def build_embedder(settings: ModelSettings, metrics: Metrics) -> ClosableEmbedder:
    if settings.embeddings_url is None:
        return LocalEmbedder()
    return HttpEmbedder(
        settings.embeddings_url,
        settings.embeddings_model,
        settings.embeddings_dimensions,
        metrics,
        key=_reveal(settings.embeddings_api_key),
    )


def build_models(settings: ModelSettings, metrics: Metrics, embedder: Embedder) -> FallbackModels:
    timeouts = ModelTimeouts(
        connect=settings.model_connect_seconds,
        first_byte=settings.model_first_byte_seconds,
        idle=settings.model_idle_seconds,
        whole=settings.model_whole_seconds,
    )
    limits = CallLimits(
        requests=settings.model_requests,
        paid_requests=settings.model_paid_requests,
        max_tokens=settings.model_max_tokens,
        timeouts=timeouts,
    )
    providers = [
        _build_provider(name, settings, timeouts, embedder) for name in settings.provider_order
    ]
    return FallbackModels(providers, metrics, limits=limits)


def build_memory(
    settings: ModelSettings, metrics: Metrics, embedder: ClosableEmbedder, texts: MemoryTexts
) -> WorkflowMemory:
    vectors = get_vectorstore(
        url=settings.chroma_url,
        folder=settings.chroma_persist_dir,
        key=settings.memory_key.get_secret_value(),
        model=embedder.model,
        metrics=metrics,
    )
    return WorkflowMemory(MemoryParts(texts, vectors, embedder))


def _build_provider(
    name: str, settings: ModelSettings, timeouts: ModelTimeouts, embedder: Embedder
) -> PricedProvider:
    if name == "offline":
        return PricedProvider(OfflineProvider(embedder), FREE)
    if name == "openai":
        url = settings.openai_url or OPENAI_URL
        model, key, chat_format = settings.openai_model, settings.openai_api_key, OpenAiFormat(url)
    else:
        url = settings.anthropic_url or ANTHROPIC_URL
        model, key = settings.anthropic_model, settings.anthropic_api_key
        chat_format = AnthropicFormat()
    provider = HttpProvider(
        name, model, url=url, key=_reveal(key), chat_format=chat_format, timeouts=timeouts
    )
    return PricedProvider(provider, settings.prices[model])


def _reveal(key: SecretStr | None) -> str:
    return key.get_secret_value() if key else ""
