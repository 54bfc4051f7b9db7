"""Returns values that fit a JSON Schema, each with the place on a page that states it."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from langgraph.graph import END, START

from msaas.agents.application.ports import OrchestratorContext, Run
from msaas.agents.domain.evidence import Document
from msaas.agents.domain.tools import Origin
from msaas.agents.domain.values import SourcedValue, build_object, ground_value, list_leaves
from msaas.agents.workflows.graph import Context, fingerprint_of, new_graph
from msaas.agents.workflows.prompts import values_request
from msaas.agents.workflows.reading import (
    Plain,
    add_notes,
    explain_partial,
    load_pages,
    open_pages,
    queued,
    to_citation,
    to_plain,
)
from msaas.agents.workflows.validation import build_validator, find_errors, uses_unbounded
from msaas.contracts import MAX_CITATIONS, ExtractedValue, ExtractParams, ExtractResult, ValueObject

TOOLS = ("extract_markdown",)
MAX_TEXT = 12_000
"""Characters of all pages together that one call reads."""

Update = dict[str, Any]


class ExtractState(TypedDict):
    instruction: str
    output_schema: dict[str, Any]
    urls: list[str]
    pages: list[Plain]
    values: list[Plain]
    errors: list[str]
    provider: str | None
    checked: bool
    notes: list[str]


async def browse(state: ExtractState, runtime: Context) -> Update:
    queue = [queued(url, Origin.USER) for url in state["urls"]]
    pages, notes = await open_pages(runtime.context, "browse", queue)
    return {"pages": pages, "notes": add_notes(state["notes"], *notes)}


async def read(state: ExtractState, runtime: Context) -> Update:
    """Let a model without tools propose values; those that no page states are None."""
    return await _ask(state, runtime.context, "read", "Read the values", ())


async def repair(state: ExtractState, runtime: Context) -> Update:
    """Ask once more for what did not fit or was not found; what was right stays."""
    return await _ask(state, runtime.context, "repair", "Correct the values", state["errors"])


async def _ask(
    state: ExtractState, ctx: OrchestratorContext, key: str, title: str, errors: Sequence[str]
) -> Update:
    documents = await load_pages(ctx, state["pages"])
    if not documents:
        return {}
    texts, cut = _share_out(documents)
    async with ctx.step(key, "read", title) as step:
        request = values_request(state["instruction"], state["output_schema"], texts, errors)
        answer = await ctx.ask_model(key, request)
        proposed = (answer.parsed or {}).get("values", ())
        grounded = [
            ground_value(str(each["pointer"]), each["value"], str(each["quote"]), documents)
            for each in proposed
        ]
        step.note(f"{sum(each.source is not None for each in grounded)} values are literal")
    notes = ["Of long pages only the beginning was read."] if cut else []
    return {
        "values": _merge(state["values"], [_to_plain(each) for each in grounded]),
        "provider": answer.provider,
        "notes": add_notes(state["notes"], *notes),
    }


def _share_out(documents: Sequence[Document]) -> tuple[list[str], bool]:
    share = MAX_TEXT // len(documents)
    return [each.text[:share] for each in documents], any(
        len(each.text) > share for each in documents
    )


def _merge(before: Sequence[Plain], after: Sequence[Plain]) -> list[Plain]:
    """Return one value for each pointer: a sourced one comes before a missing one."""
    merged: dict[str, Plain] = {}
    for each in (*before, *after):
        known = merged.setdefault(each["pointer"], each)
        if known["source"] is None and each["source"] is not None:
            merged[each["pointer"]] = each
    return list(merged.values())


def _to_plain(value: SourcedValue) -> Plain:
    return {
        "pointer": value.pointer[:500],
        "value": value.value,
        "source": to_plain(value.source) if value.source else None,
        "reason": value.reason,
    }


async def check(state: ExtractState, runtime: Context) -> Update:
    """Compare with the schema; what does not fit is not kept."""
    values, errors = apply_schema(state["values"], state["output_schema"])
    key = "check.again" if state["checked"] else "check"
    async with runtime.context.step(key, "policy", "Check the values") as step:
        step.note(f"{len(errors)} to correct")
    ignored = ["Patterns, formats and uniqueItems of the schema were not checked."]
    misfit = ["The values together do not fit the schema."] * bool(_find_misfits(values, state))
    return {
        "values": values,
        "errors": [] if state["checked"] else errors,
        "checked": True,
        "notes": add_notes(
            state["notes"], *ignored * uses_unbounded(state["output_schema"]), *misfit
        ),
    }


def _find_misfits(values: Sequence[Plain], state: ExtractState) -> dict[str, str]:
    validator = build_validator(state["output_schema"])
    return find_errors(validator, _build(values)) if validator and state["checked"] else {}


def apply_schema(
    values: Sequence[Plain], schema: Mapping[str, Any]
) -> tuple[list[Plain], list[str]]:
    """Return the values that fit, the others as None with a reason, and what to ask again."""
    validator = build_validator(schema)
    if validator is None:
        return [_missing(each["pointer"], "schema_invalid") for each in values], []
    found = _merge(values, [_missing(leaf, "not_found") for leaf in list_leaves(schema)])
    misfits = find_errors(validator, _build(found))
    checked = [
        _missing(each["pointer"], _name_misfit(misfits[each["pointer"]]))
        if each["pointer"] in misfits
        else each
        for each in found
    ]
    errors = [f"{pointer or '/'}: {message}" for pointer, message in misfits.items()]
    errors += [f"{each['pointer']}: {each['reason']}" for each in found if each["source"] is None]
    return checked, errors[:50]


def _missing(pointer: str, reason: str) -> Plain:
    return {"pointer": pointer, "value": None, "source": None, "reason": reason}


def _build(values: Sequence[Plain]) -> dict[str, Any]:
    return build_object(
        [
            SourcedValue(pointer=each["pointer"], value=each["value"])
            for each in values
            if each["reason"] not in _LEFT_OUT
        ]
    )


_LEFT_OUT = frozenset({"not_in_schema", "schema_invalid"})


def _name_misfit(message: str) -> str:
    return "not_in_schema" if message.startswith("Additional") else "does_not_fit_schema"


def _after_check(state: ExtractState) -> str:
    return "repair" if state["errors"] and state["pages"] else END


class ExtractWorkflow:
    workflow_type = "extract"

    def build(self) -> Any:
        path = (START, "browse", "read", "check")
        graph = new_graph(ExtractState, (browse, read, check, repair), path, ("repair", "check"))
        graph.add_conditional_edges("check", _after_check, ["repair", END])
        return graph

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.build())

    def initial_state(self, run: Run) -> dict[str, Any]:
        params = ExtractParams.model_validate_json(run.params.model_dump_json())
        return {
            "instruction": params.instruction,
            "output_schema": params.output_schema,
            "urls": list(dict.fromkeys(params.urls)),
            "pages": [],
            "values": [],
            "errors": [],
            "provider": None,
            "checked": False,
            "notes": [],
        }

    def result(self, state: Mapping[str, Any], partial_reason: str | None) -> ValueObject:
        values = state.get("values", [])
        if not state.get("checked"):
            values, _ = apply_schema(values, state["output_schema"])
        sources = {each["source"]["start"]: each["source"] for each in values if each["source"]}
        return ExtractResult(
            values=_build(values),
            evidence=tuple(
                ExtractedValue(
                    pointer=each["pointer"],
                    source=to_citation(each["source"]) if each["source"] else None,
                    reason=each["reason"],
                )
                for each in values[:1_000]
            ),
            citations=tuple(map(to_citation, sources.values()))[:MAX_CITATIONS],
            **explain_partial(partial_reason, state.get("pages")),
            provider=state.get("provider"),
            notes=tuple(state.get("notes", ())),
        )
