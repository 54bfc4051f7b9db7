"""The workflow research: what is asked, what is opened, and what an answer may contain."""

import json
from collections.abc import Mapping
from typing import Any

from services.agents.tests.support.fake_context import (
    FakeContext,
    FakePage,
    make_run,
    run_to_ceiling,
    run_workflow,
)

from msaas.agents.domain.models import ModelRequest
from msaas.agents.domain.tools import Blocked, Origin
from msaas.agents.workflows.research import NO_ANSWER, ResearchWorkflow
from msaas.contracts import ResearchResult

SEED = "https://lights.example/"
HOME = """# The almanac

[The register](https://lights.example/list) and [range](https://lights.example/range)
[Elsewhere](https://evil.example/?q=1)

A light that is longer on than off is called occulting.
"""
RANGE = "White carries furthest: 20 miles.\n\nSecret: rk_live_abcdefghijklmnop1234\n"
SITE = {
    SEED: FakePage(HOME),
    "https://lights.example/list": FakePage("There are 42 lights."),
    "https://lights.example/range": FakePage(RANGE),
}
WORKFLOW = ResearchWorkflow()


def _model(request: ModelRequest) -> str | Mapping[str, Any]:
    if request.purpose == "plan":
        opened = [SEED, "https://evil.example/planned"]
        return {"questions": ["What is occulting?", "the range"], "open": opened}
    if request.purpose == "read":
        quotes = [*request.passages, "This is nowhere."]
        return {"findings": [{"quote": quote} for quote in quotes], "enough": False}
    numbers = {text: at for at, text in enumerate(request.passages, start=1)}
    far = numbers.get("White carries furthest: 20 miles.", 99)
    return (
        "A light that is longer on than off is called occulting. "
        f"White light reaches 20 miles [{far}]. It reaches 30 miles [{far}].\n"
        f"See https://evil.example/ [{far}]. Nothing states this."
    )


def _context(**params: object) -> FakeContext:
    given = {"question": "What is occulting, and the range?", "seeds": [SEED], **params}
    return FakeContext(make_run(WORKFLOW, **given), SITE, _model)


async def _run(ctx: FakeContext) -> ResearchResult:
    result = WORKFLOW.result(await run_workflow(WORKFLOW, ctx), None)
    assert isinstance(result, ResearchResult)
    for each in result.citations:
        text = ctx.documents[each.sha256].text
        assert text[each.start : each.end] == each.quote
    return result


async def test_an_answer_consists_of_sentences_that_the_pages_state() -> None:
    ctx = _context()
    result = await _run(ctx)
    assert result.answer == (
        "A light that is longer on than off is called occulting. [1]\n"
        "White light reaches 20 miles. [2]"
    )
    assert [each.quote for each in result.citations] == [
        "A light that is longer on than off is called occulting.",
        "White carries furthest: 20 miles.",
    ]
    assert "3 sentences had no source and were left out." in result.notes
    assert not result.partial
    assert result.provider == "scripted"


async def test_links_are_followed_on_the_seeds_host_alone() -> None:
    ctx = _context()
    await _run(ctx)
    opened = [call.arguments["url"] for calls in ctx.submitted.values() for call in calls]
    assert opened[0].value == SEED
    assert {url.value for url in opened} == set(SITE)
    assert {url.origin for url in opened[1:]} == {Origin.PAGE}
    assert not any(isinstance(decision, Blocked) for _, decision in ctx.decisions)


async def test_a_run_opens_at_most_the_given_number_of_pages() -> None:
    ctx = _context(max_pages=2)
    await _run(ctx)
    assert sum(len(calls) for calls in ctx.submitted.values()) == 2


async def test_the_planner_sees_no_page_and_the_reader_has_no_question_of_the_page() -> None:
    ctx = _context()
    await _run(ctx)
    assert "occulting." not in str(ctx.requests["plan"].messages)
    task = json.loads(ctx.requests["read.0.0"].messages[-1].text)
    assert task == {"question": "What is occulting?\nthe range"}
    assert "<<<page" in ctx.requests["read.0.0"].messages[1].text


async def test_a_secret_on_a_page_is_no_finding() -> None:
    ctx = _context()
    result = await _run(ctx)
    assert "rk_live" not in ctx.requests["write"].messages[1].text
    assert "rk_live" not in result.model_dump_json()
    assert not any("rk_live" in passage.text for passage in ctx.memory)


async def test_a_page_that_leads_to_another_host_is_not_read() -> None:
    ctx = _context()
    ctx.pages = {SEED: FakePage("White carries furthest: 20 miles.", "https://evil.example/")}
    result = await _run(ctx)
    assert result.answer == NO_ANSWER
    assert result.partial_reason == "pages_unavailable"
    assert result.notes == (f"{SEED}: led_to_another_host",)
    assert "write" not in ctx.requests


async def test_what_an_earlier_run_has_read_is_evidence_while_its_document_is_stored() -> None:
    first = _context()
    await _run(first)
    second = _context(max_pages=1)
    second.memory, second.documents = first.memory, first.documents
    assert "20 miles" in (await _run(second)).answer


async def test_a_run_at_its_ceiling_shows_what_it_has_found() -> None:
    ctx = _context()
    ctx.calls_left = 2
    state = await run_to_ceiling(WORKFLOW, ctx)
    result = WORKFLOW.result(state, "tokens")
    assert isinstance(result, ResearchResult)
    assert result.partial_reason == "tokens"
    assert "called occulting. [3]" in result.answer
    assert len(result.citations) == 3


async def test_a_graph_has_a_fingerprint_that_stays() -> None:
    assert WORKFLOW.fingerprint == ResearchWorkflow().fingerprint
    assert len(WORKFLOW.fingerprint) == 16
