"""Embeddings of an OpenAI-compatible server."""

import pytest
from model_server import Reply, running_model_server

from msaas.agents.adapters.embeddings import HttpEmbedder
from msaas.kernel import DependencyUnavailable
from msaas.telemetry import Metrics

KEY = "sk-canary-0123456789"


async def test_vectors_come_back_in_the_order_of_their_texts() -> None:
    async with running_model_server() as server:
        embedder = HttpEmbedder(server.url, "e-1", 16, Metrics("agents", "test"), key=KEY)
        server.script = [Reply(status=503), Reply()]
        vectors = await embedder.embed(["aaa", "bbb", *["c"] * 40])
        await embedder.close()
    assert len(vectors) == 42
    assert vectors[0][0] == 1.0
    assert vectors[1][1] == 1.0
    assert [len(each.body["input"]) for each in server.received] == [32, 32, 10]
    assert server.received[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("dimensions", [15, 17])
async def test_other_dimensions_are_refused(dimensions: int) -> None:
    async with running_model_server() as server:
        embedder = HttpEmbedder(server.url, "e-1", dimensions, Metrics("agents", "test"), key=KEY)
        with pytest.raises(DependencyUnavailable) as caught:
            await embedder.embed(["PROMPT-CANARY"])
        await embedder.close()
    assert caught.value.context["reason"] == "malformed"
    assert KEY not in f"{caught.value!r}{caught.value.context}"
