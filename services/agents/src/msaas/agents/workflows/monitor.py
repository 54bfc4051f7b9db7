"""Says what has changed on a page since the last run of the same name."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from langgraph.graph import END, START

from msaas.agents.application.ports import OrchestratorContext, Run
from msaas.agents.domain.changes import TextChange, find_changes
from msaas.agents.domain.evidence import Document, Passage
from msaas.agents.domain.grounding import cut, ground_answer
from msaas.agents.domain.tools import Origin
from msaas.agents.domain.urls import leads_within
from msaas.agents.workflows.graph import Context, fingerprint_of, new_graph
from msaas.agents.workflows.prompts import compare_request
from msaas.agents.workflows.reading import (
    Plain,
    add_notes,
    explain_partial,
    keep_literal,
    open_pages,
    queued,
    to_citation,
    to_passage,
    to_plain,
)
from msaas.contracts import MAX_CITATIONS, MonitorParams, MonitorResult, PageChange, ValueObject

TOOLS = ("extract_markdown",)
COMPARED = 40
HEAD = 200
DEFAULT_INSTRUCTION = "Say what has changed."

Update = dict[str, Any]


class MonitorState(TypedDict):
    name: str
    url: str
    instruction: str
    previous: str | None
    page: Plain | None
    head: Plain | None
    changes: list[Plain]
    draft: str
    summary: str
    citations: list[Plain]
    provider: str | None
    notes: list[str]


async def remind(state: MonitorState, runtime: Context) -> Update:
    """Choose what to compare with, once: another run of this name may end meanwhile."""
    async with runtime.context.step("previous", "memory", "Look for the last run") as step:
        document = await runtime.context.find_sighting(state["name"])
        if document is not None and not leads_within(state["url"], document.url):
            document = None
        step.note("found" if document else "there is none")
    return {"previous": document.digest if document else None}


async def browse(state: MonitorState, runtime: Context) -> Update:
    queue = [queued(state["url"], Origin.USER)]
    pages, notes = await open_pages(runtime.context, "browse", queue)
    return {"page": pages[0] if pages else None, "notes": add_notes(state["notes"], *notes)}


async def compare(state: MonitorState, runtime: Context) -> Update:
    """Find the changed lines, without a model."""
    before, after = await _load_both(state, runtime.context)
    if after is None:
        return {}
    changes = find_changes(before, after) if before else []
    async with runtime.context.step("compare", "read", "Compare with the last run") as step:
        await runtime.context.store_sighting(state["name"], after.digest)
        step.note(f"{len(changes)} changes")
    return {
        "head": to_plain(cut(after, 0, min(len(after.text), HEAD))),
        "changes": [_to_plain(change) for change in changes],
    }


async def _load_both(
    state: MonitorState, ctx: OrchestratorContext
) -> tuple[Document | None, Document | None]:
    page, previous = state["page"], state["previous"]
    before = await ctx.load_document(previous) if previous else None
    return before, await ctx.load_document(page["sha256"]) if page else None


def _to_plain(change: TextChange) -> Plain:
    return {
        "kind": change.kind,
        "before": to_plain(change.before) if change.before else None,
        "after": to_plain(change.after) if change.after else None,
    }


async def explain(state: MonitorState, runtime: Context) -> Update:
    evidence = _evidence(state["changes"])
    if not evidence:
        return {}
    ctx = runtime.context
    async with ctx.step("explain", "answer", "Explain the changes") as step:
        request = compare_request(state["instruction"], evidence, _show(state["changes"]))
        answer = await ctx.ask_model("explain", request, stream=True)
        draft = "" if answer.finish == "refused" else answer.text
        literal = set(await keep_literal(ctx, evidence))
        grounded = ground_answer(draft, evidence, MAX_CITATIONS - 1, literal=literal)
        step.note(f"sentences left out, without a source: {grounded.dropped}")
    dropped = [f"{grounded.dropped} sentences had no source and were left out."]
    return {
        "summary": grounded.answer,
        "citations": [to_plain(each) for each in grounded.citations],
        "provider": answer.provider,
        "notes": add_notes(state["notes"], *dropped * bool(grounded.dropped)),
    }


def _evidence(changes: Sequence[Plain]) -> list[Passage]:
    sides = (change[side] for change in changes[:COMPARED] for side in ("before", "after"))
    return [to_passage(side) for side in sides if side]


def _show(changes: Sequence[Plain]) -> str:
    lines = (
        f"{sign} {change[side]['text']}"
        for change in changes[:COMPARED]
        for side, sign in (("before", "-"), ("after", "+"))
        if change[side]
    )
    return "\n".join(lines)


class MonitorWorkflow:
    workflow_type = "monitor"

    def build(self) -> Any:
        path = (START, "remind", "browse", "compare", "explain", END)
        return new_graph(MonitorState, (remind, browse, compare, explain), path)

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.build())

    def initial_state(self, run: Run) -> dict[str, Any]:
        params = MonitorParams.model_validate_json(run.params.model_dump_json())
        return {
            "name": params.name,
            "url": params.url,
            "instruction": params.instruction or DEFAULT_INSTRUCTION,
            "previous": None,
            "page": None,
            "head": None,
            "changes": [],
            "summary": "",
            "citations": [],
            "provider": None,
            "notes": [],
        }

    def result(self, state: Mapping[str, Any], partial_reason: str | None) -> ValueObject:
        """Return the changes; the citations after `head` belong to the numbers in the summary."""
        head, changes = state.get("head"), state.get("changes", [])
        citations = [*state.get("citations", ()), *([head] if head else ())]
        return MonitorResult(
            first_run=state.get("previous") is None,
            changed=bool(changes),
            summary=state.get("summary", ""),
            changes=tuple(_to_change(change) for change in changes),
            citations=tuple(map(to_citation, citations)),
            **explain_partial(partial_reason, head),
            provider=state.get("provider"),
            notes=tuple(state.get("notes", ())),
        )


def _to_change(change: Plain) -> PageChange:
    sides = {side: change[side]["text"] for side in ("before", "after") if change[side]}
    return PageChange(kind=change["kind"], **sides)
