"""Answers a question from pages, with citations that are literally in them."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from langgraph.graph import END, START

from msaas.agents.application.ports import OrchestratorContext, Run
from msaas.agents.domain.evidence import Document, Passage
from msaas.agents.domain.grounding import find_passage, ground_answer
from msaas.agents.domain.secrets import contains_secret
from msaas.agents.domain.spotlight import score_suspicion
from msaas.agents.domain.tools import Origin
from msaas.agents.domain.urls import find_links, host_of
from msaas.agents.workflows.graph import Context, fingerprint_of, new_graph
from msaas.agents.workflows.prompts import plan_request, read_request, write_request
from msaas.agents.workflows.reading import (
    MAX_TEXT,
    Plain,
    add_notes,
    explain_partial,
    keep_literal,
    load_pages,
    open_pages,
    queued,
    to_citation,
    to_passage,
    to_plain,
)
from msaas.contracts import MAX_CITATIONS, ResearchParams, ResearchResult, ValueObject

TOOLS = ("extract_markdown",)
NO_ANSWER = "No answer was found in the pages."
CHUNK = 8_000
MAX_EVIDENCE = 40
RECALLED = 6
MAX_DEPTH = 3
FOLLOWED = 3
_FILES = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".zip", ".gz", ".mp4", ".mp3", ".pdf")


class ResearchState(TypedDict):
    question: str
    seeds: list[str]
    max_pages: int
    questions: list[str]
    queue: list[Plain]
    visited: list[str]
    pages: list[Plain]
    read: int
    enough: bool
    round: int
    findings: list[Plain]
    recalled: list[Plain]
    draft: str
    provider: str | None
    answer: str | None
    citations: list[Plain]
    notes: list[str]


Update = dict[str, Any]


async def plan(state: ResearchState, runtime: Context) -> Update:
    """Plan from the user's text alone: an address that the user has not given is left out."""
    ctx, seeds = runtime.context, state["seeds"]
    async with ctx.step("plan", "plan", "Plan the research") as step:
        answer = await ctx.ask_model("plan", plan_request(state["question"], seeds, TOOLS))
        parsed = answer.parsed or {}
        questions = [str(each) for each in parsed.get("questions", ())][:5]
        chosen = [seed for seed in seeds if seed in parsed.get("open", ())] or seeds
        step.note("; ".join(questions))
    return {
        "questions": questions or [state["question"]],
        "queue": [queued(seed, Origin.PLAN) for seed in chosen[: state["max_pages"]]],
        "provider": answer.provider,
    }


async def browse(state: ResearchState, runtime: Context) -> Update:
    """Open what is queued; the policy gets the pages that its links are from by loading them."""
    queue = state["queue"]
    await load_pages(runtime.context, state["pages"])
    pages, notes = await open_pages(runtime.context, f"browse.{state['round']}", queue)
    known = {page["sha256"] for page in state["pages"]}
    fresh = list({page["sha256"]: page for page in pages if page["sha256"] not in known}.values())
    return {
        "pages": [*state["pages"], *fresh],
        "visited": [*state["visited"], *(page["url"] for page in queue)],
        "queue": [],
        "round": state["round"] + 1,
        "notes": add_notes(state["notes"], *notes),
    }


async def read(state: ResearchState, runtime: Context) -> Update:
    """Let a model without tools quote from each new page; only literal quotes count."""
    ctx, findings, notes = runtime.context, list(state["findings"]), state["notes"]
    enough = False
    for at in range(state["read"], len(state["pages"])):
        page = state["pages"][at]
        async with ctx.step(
            f"read.{at}", "read", f"Read {page['title'] or page['url']}"[:200]
        ) as step:
            document = await ctx.load_document(page["sha256"])
            if document is None:
                notes = add_notes(notes, "A page is no longer stored.")
                continue
            if len(document.text) > MAX_TEXT:
                notes = add_notes(notes, f"{page['url'][:120]}: only its beginning was read")
            quotes, complete = await _ask_for_quotes(
                ctx, f"read.{at}", state["questions"], document
            )
            passages = [find_passage(document, quote) for quote in quotes]
            kept = [each for each in passages if each and not contains_secret(each.text)]
            step.note(f"literal quotes: {len(kept)} of {len(quotes)}")
            if suspicion := score_suspicion(document.text):
                step.note(f"{suspicion} kinds of orders to a model are in the text")
            findings += [to_plain(each) for each in kept]
            enough = enough or (complete and bool(kept))
    return {
        "findings": _distinct(findings)[:MAX_EVIDENCE],
        "read": len(state["pages"]),
        "enough": enough,
        "notes": notes,
    }


async def _ask_for_quotes(
    ctx: OrchestratorContext, key: str, questions: Sequence[str], document: Document
) -> tuple[list[str], bool]:
    quotes: list[str] = []
    enough = False
    for start in range(0, min(len(document.text), MAX_TEXT), CHUNK):
        text = document.text[start : min(start + CHUNK, MAX_TEXT)]
        answer = await ctx.ask_model(f"{key}.{start // CHUNK}", read_request(questions, text))
        parsed = answer.parsed or {}
        quotes += [str(each["quote"]) for each in parsed.get("findings", ())]
        enough = enough or bool(parsed.get("enough"))
    return quotes, enough


def _distinct(findings: Sequence[Plain]) -> list[Plain]:
    return list({(each["sha256"], each["start"], each["end"]): each for each in findings}.values())


async def follow(state: ResearchState, runtime: Context) -> Update:
    """Choose links on the seeds' hosts by their words; no model chooses an address."""
    room = min(state["max_pages"] - len(state["visited"]), FOLLOWED)
    if state["enough"] or room <= 0 or state["round"] >= MAX_DEPTH:
        return {"queue": []}
    documents = await load_pages(runtime.context, state["pages"])
    links = find_followable(documents, state["seeds"], state["visited"])
    ranked = await _rank(runtime.context, " ".join(state["questions"]), list(links))
    return {
        "queue": [queued(url, Origin.PAGE, [links[url, label]]) for url, label in ranked[:room]]
    }


def find_followable(
    documents: Sequence[Document], seeds: Sequence[str], visited: Sequence[str]
) -> dict[tuple[str, str], str]:
    """Return addresses and labels that lead to other pages of the seeds' hosts, with their page."""
    hosts = {host_of(seed) for seed in seeds}
    seen = {url.partition("#")[0].rstrip("/") for url in visited}
    links: dict[tuple[str, str], str] = {}
    for document in documents:
        for link in find_links(document.text):
            is_file = link.url.partition("?")[0].lower().endswith(_FILES)
            if host_of(link.url) in hosts and link.url.rstrip("/") not in seen and not is_file:
                links.setdefault((link.url, link.label), document.url)
    return links


async def _rank(
    ctx: OrchestratorContext, question: str, links: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return each address once, by the likeness of its best label to the question."""
    if not links:
        return []
    words = [label or url.rpartition("/")[2] or url for url, label in links]
    vectors = np.asarray(await ctx.embedder.embed(words))
    query = np.asarray((await ctx.embedder.embed([question], query=True))[0])
    order = np.argsort(-(vectors @ query), kind="stable")
    best: dict[str, tuple[str, str]] = {}
    for at in order:
        best.setdefault(links[int(at)][0].rstrip("/"), links[int(at)])
    return list(best.values())


async def recall(state: ResearchState, runtime: Context) -> Update:
    """Look for passages of earlier runs whose documents are still stored."""
    ctx = runtime.context
    async with ctx.step("recall", "memory", "Look into the memory") as step:
        known = {finding["sha256"] for finding in state["findings"]}
        found = await ctx.recall(state["question"], RECALLED)
        kept = await keep_literal(ctx, [each for each in found if each.sha256 not in known])
        step.note(f"passages of earlier runs: {len(kept)}")
    return {"recalled": [to_plain(each) for each in kept if not contains_secret(each.text)]}


async def remember(state: ResearchState, runtime: Context) -> Update:
    passages = [to_passage(each) for each in state["findings"]]
    if passages:
        async with runtime.context.step("remember", "memory", "Remember what was found") as step:
            await runtime.context.remember("remember", passages)
            step.note(f"passages: {len(passages)}")
    return {}


async def write(state: ResearchState, runtime: Context) -> Update:
    """Write the answer from the passages; without any there is nothing to write."""
    evidence = _evidence(state)
    if not evidence:
        return {"draft": ""}
    async with runtime.context.step("write", "answer", "Write the answer"):
        request = write_request(state["question"], evidence)
        answer = await runtime.context.ask_model("write", request, stream=True)
    refused = ["The model refused to answer."] if answer.finish == "refused" else []
    return {
        "draft": "" if refused else answer.text,
        "provider": answer.provider,
        "notes": add_notes(state["notes"], *refused),
    }


async def ground(state: ResearchState, runtime: Context) -> Update:
    """Keep the sentences that the passages support; the passages are looked up once more."""
    evidence = _evidence(state)
    async with runtime.context.step("ground", "policy", "Check every sentence") as step:
        literal = set(await keep_literal(runtime.context, evidence))
        grounded = ground_answer(state["draft"], evidence, MAX_CITATIONS, literal=literal)
        step.note(f"sentences left out, without a source: {grounded.dropped}")
    notes = state["notes"]
    if grounded.dropped:
        notes = add_notes(notes, f"{grounded.dropped} sentences had no source and were left out.")
    return {
        "answer": grounded.answer or NO_ANSWER,
        "citations": [to_plain(each) for each in grounded.citations],
        "notes": notes,
    }


def _evidence(state: ResearchState) -> list[Passage]:
    return [to_passage(each) for each in [*state["findings"], *state["recalled"]]]


def _after_follow(state: ResearchState) -> str:
    return "browse" if state["queue"] else "recall"


class ResearchWorkflow:
    workflow_type = "research"

    def build(self) -> Any:
        graph = new_graph(
            ResearchState,
            (plan, browse, read, follow, recall, remember, write, ground),
            (START, "plan", "browse", "read", "follow"),
            ("recall", "remember", "write", "ground", END),
        )
        graph.add_conditional_edges("follow", _after_follow, ["browse", "recall"])
        return graph

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.build())

    def initial_state(self, run: Run) -> dict[str, Any]:
        params = ResearchParams.model_validate_json(run.params.model_dump_json())
        return {
            "question": params.question,
            "seeds": list(dict.fromkeys(params.seeds)),
            "max_pages": params.max_pages,
            "questions": [],
            "queue": [],
            "visited": [],
            "pages": [],
            "read": 0,
            "enough": False,
            "round": 0,
            "findings": [],
            "recalled": [],
            "draft": "",
            "provider": None,
            "answer": None,
            "citations": [],
            "notes": [],
        }

    def result(self, state: Mapping[str, Any], partial_reason: str | None) -> ValueObject:
        """Return the answer; a run that ended early shows the quotes that it has found."""
        answer, citations = state.get("answer"), state.get("citations", [])
        if answer is None:
            citations = state.get("findings", [])[:MAX_CITATIONS]
            quotes = (" ".join(each["text"].split()) for each in citations)
            lines = [f"{quote} [{at}]" for at, quote in enumerate(quotes, start=1)]
            answer = "\n".join(lines) or NO_ANSWER
        return ResearchResult(
            answer=answer,
            citations=tuple(map(to_citation, citations)),
            **explain_partial(partial_reason, state.get("pages")),
            provider=state.get("provider"),
            notes=tuple(state.get("notes", ())),
        )
