"""The workflows over the offline provider: useful answers, and each word of them from a page."""

import asyncio
from collections.abc import Iterator

import pytest
from fake_context import FakeContext, FakePage, make_run, run_workflow

from msaas.agents.adapters.embeddings import LocalEmbedder
from msaas.agents.adapters.models.fallback import FallbackModels, PricedProvider
from msaas.agents.adapters.models.offline import OfflineProvider
from msaas.agents.adapters.models.prices import FREE
from msaas.agents.application.ports import Run
from msaas.agents.domain.models import ModelAnswer, ModelRequest
from msaas.agents.workflows import ExtractWorkflow, MonitorWorkflow, ResearchWorkflow
from msaas.contracts import ExtractResult, MonitorResult, ResearchResult
from msaas.telemetry import Metrics

HOME = "https://almanac.example/"
ARTICLE = "https://almanac.example/article"
SITE = {
    HOME: FakePage(
        "# The Lantern Almanac\n\nA yearly register of the lights along a coast.\n\n"
        f"[How a light is read]({ARTICLE})\n\n[Report a light](https://almanac.example/form)\n"
    ),
    ARTICLE: FakePage(
        "# How a light is read\n\nEvery light speaks in its own rhythm, so that a ship knows by"
        " night which one it sees.\n\n## Colour\n\nWhite carries furthest. Red and green are kept"
        " for sectors: red where the water is shallow, green where it is deep.\n\n## Rhythm\n\n"
        "A light that is longer on than off is called *occulting*; one that is longer off than on"
        " is called *flashing*.\n\n| No. | Light | Built | Height |\n| --- | --- | --- | --- |\n"
        "| 1 | Anvil Head | 1827 | 23 m |\n| 2 | Bramble Head | 1864 | 34 m |\n"
    ),
}


class OfflineContext(FakeContext):
    """Asks the offline provider, through the gateway that the service uses."""

    def __init__(self, run: Run, pages: dict[str, FakePage], embedder: LocalEmbedder) -> None:
        super().__init__(run, pages, lambda _: "")
        provider = PricedProvider(OfflineProvider(embedder), FREE)
        self._models = FallbackModels([provider], Metrics("agents", "test"))

    async def ask_model(
        self, key: str, request: ModelRequest, *, stream: bool = False
    ) -> ModelAnswer:
        if key not in self.answers:
            self.answers[key] = await self._models.complete(request)
        return self.answers[key]


@pytest.fixture(scope="module")
def embedder() -> Iterator[LocalEmbedder]:
    embedder = LocalEmbedder()
    yield embedder
    asyncio.run(embedder.close())


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is an occulting light?", "A light that is longer on than off is called *occulting*"),
        ("How high is Anvil Head?", "1 | Anvil Head | 1827 | 23 m"),
        ("What does the Pro plan cost?", None),
    ],
)
async def test_a_question_is_answered_from_the_pages_or_not_at_all(
    question: str, expected: str | None, embedder: LocalEmbedder
) -> None:
    workflow = ResearchWorkflow()
    ctx = OfflineContext(make_run(workflow, question=question, seeds=[HOME]), SITE, embedder)
    result = workflow.result(await run_workflow(workflow, ctx), None)
    assert isinstance(result, ResearchResult)
    assert result.provider == "offline"
    if expected is None:
        assert (result.answer, result.citations) == ("No answer was found in the pages.", ())
        return
    assert result.answer.startswith(expected)
    for citation in result.citations:
        assert SITE[citation.url].text[citation.start : citation.end] == citation.quote


async def test_values_of_a_schema_are_read_with_their_sources(embedder: LocalEmbedder) -> None:
    workflow = ExtractWorkflow()
    item = {
        "type": "object",
        "properties": {"light": {"type": "string"}, "height": {"type": "integer"}},
    }
    schema = {"type": "object", "properties": {"lights": {"type": "array", "items": item}}}
    run = make_run(workflow, urls=[ARTICLE], instruction="Read the lights.", output_schema=schema)
    ctx = OfflineContext(run, SITE, embedder)
    result = workflow.result(await run_workflow(workflow, ctx), None)
    assert isinstance(result, ExtractResult)
    assert result.values == {
        "lights": [{"light": "Anvil Head", "height": 23}, {"light": "Bramble Head", "height": 34}]
    }
    assert all(each.source for each in result.evidence)


async def test_a_change_is_described_in_the_words_of_the_page(embedder: LocalEmbedder) -> None:
    workflow = MonitorWorkflow()
    first = OfflineContext(make_run(workflow, name="article", url=ARTICLE), SITE, embedder)
    await run_workflow(workflow, first)
    changed = SITE[ARTICLE].text.replace("White carries furthest.", "Yellow carries furthest.")
    second = OfflineContext(first.run, {ARTICLE: FakePage(changed)}, embedder)
    second.documents, second.sightings = first.documents, first.seen_now
    result = workflow.result(await run_workflow(workflow, second), None)
    assert isinstance(result, MonitorResult)
    assert result.changed
    assert "Yellow carries furthest." in result.summary
