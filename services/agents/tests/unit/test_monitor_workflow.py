"""The workflow monitor: what has changed, found without a model and explained with sources."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from services.agents.tests.support.fake_context import (
    FakeContext,
    FakePage,
    make_run,
    run_workflow,
)

from msaas.agents.domain.changes import find_changes
from msaas.agents.domain.evidence import Document
from msaas.agents.domain.models import ModelRequest
from msaas.agents.workflows.monitor import MonitorWorkflow
from msaas.contracts import MonitorResult

URL = "https://shop.example/prices"
BEFORE = "# Prices\n\nLamp: 20 EUR\nOil: 3 EUR\n"
AFTER = "# Prices\n\nLamp: 25 EUR\nWick: 1 EUR\nOil: 3 EUR\n"
WORKFLOW = MonitorWorkflow()


def _explain(request: ModelRequest) -> str | Mapping[str, Any]:
    assert request.purpose == "compare"
    return "The lamp went from 20 EUR [1] to 25 EUR [2]. The oil costs 9 EUR [2]."


async def _monitor(
    before: str | None, after: str, url: str = URL
) -> tuple[MonitorResult, FakeContext]:
    run = make_run(WORKFLOW, name="prices", url=URL)
    ctx = FakeContext(run, {URL: FakePage(after)}, _explain)
    if before is not None:
        document = Document(url=url, text=before)
        ctx.documents[document.digest] = document
        ctx.sightings["prices"] = document.digest
    result = WORKFLOW.result(await run_workflow(WORKFLOW, ctx), None)
    assert isinstance(result, MonitorResult)
    return result, ctx


async def test_a_change_is_explained_with_its_sources() -> None:
    result, _ = await _monitor(BEFORE, AFTER)
    assert result.changed
    assert [(each.kind, each.before, each.after) for each in result.changes] == [
        ("changed", "Lamp: 20 EUR", "Lamp: 25 EUR"),
        ("added", None, "Wick: 1 EUR"),
    ]
    assert result.summary == "The lamp went from 20 EUR to 25 EUR. [1] [2]"
    assert [each.quote for each in result.citations[:2]] == ["Lamp: 20 EUR", "Lamp: 25 EUR"]


async def test_the_first_run_and_an_unchanged_page_ask_no_model() -> None:
    first, ctx = await _monitor(None, AFTER)
    assert first.first_run
    assert not first.changed
    assert list(ctx.seen_now.values()) == [first.citations[-1].sha256]
    same, _ = await _monitor(AFTER, AFTER)
    assert (same.first_run, same.changed, same.changes) == (False, False, ())


async def test_a_document_of_another_host_is_not_compared() -> None:
    result, _ = await _monitor(BEFORE, AFTER, url="https://other.example/prices")
    assert result.first_run


LINES = st.lists(st.sampled_from(["a", "b", "c", "", " d "]), max_size=12)


@given(LINES, LINES)
def test_changes_turn_one_text_into_the_other(old: list[str], new: list[str]) -> None:
    before = Document(url=URL, text="\n".join(old))
    after = Document(url=URL, text="\n".join(new))
    changes = find_changes(before, after)
    removed = sorted(each.before.text for each in changes if each.before)
    added = sorted(each.after.text for each in changes if each.after)
    left = sorted(line.strip() for line in old if line.strip())
    for text in removed:
        left.remove(text)
    assert sorted([*left, *added]) == sorted(line.strip() for line in new if line.strip())
    for each in changes:
        for side, document in ((each.before, before), (each.after, after)):
            assert side is None or document.text[side.start : side.end] == side.text
