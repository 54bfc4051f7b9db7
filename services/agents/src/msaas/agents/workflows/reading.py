"""What the workflows share: opening pages as child jobs, and passages as plain values."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from msaas.agents.application.ports import OrchestratorContext
from msaas.agents.domain.evidence import Document, Passage
from msaas.agents.domain.grounding import is_literal
from msaas.agents.domain.tools import Origin, Tagged, ToolCall, ToolResult
from msaas.agents.domain.urls import leads_within
from msaas.contracts import Citation

MAX_NOTES = 20
MAX_TEXT = 32_000
"""Characters of one page that models read; the rest of a longer page is left out, with a note."""

Plain = dict[str, Any]


def open_call(page: Mapping[str, Any]) -> ToolCall:
    """Return the call that opens a page of the queue; what is chosen in code counts as the plan."""
    origin = Origin(page["origin"])
    arguments = {
        "url": Tagged(value=page["url"], origin=origin, sources=frozenset(page["sources"])),
        "whole_page": Tagged(value=True, origin=Origin.PLAN),
    }
    return ToolCall(task_type="extract_markdown", arguments=arguments)


def queued(url: str, origin: Origin, sources: Sequence[str] = ()) -> Plain:
    return {"url": url, "origin": str(origin), "sources": list(sources)}


async def open_pages(
    ctx: OrchestratorContext, key: str, queue: Sequence[Plain]
) -> tuple[list[Plain], list[str]]:
    """Open pages and keep their texts; return the pages, and notes on those that failed."""
    async with ctx.step(key, "browse", f"Open {len(queue)} page{'s'[: len(queue) > 1]}") as step:
        results = await ctx.call_tools(key, [open_call(page) for page in queue])
        pages: list[Plain] = []
        notes: list[str] = []
        for page, result in zip(queue, results, strict=True):
            document, problem = read_result(page["url"], result)
            if document is None:
                notes.append(f"{page['url'][:120]}: {problem}")
                continue
            await ctx.store_document(document)
            pages.append(to_page(document))
        for note in notes:
            step.note(note)
    return pages, notes


def read_result(url: str, result: ToolResult) -> tuple[Document | None, str]:
    """Return the text that was read, or why there is none: a page that led elsewhere has none."""
    if not result.ok:
        return None, result.reason or "failed"
    final_url = str(result.result.get("final_url", ""))
    if not leads_within(url, final_url):
        return None, "led_to_another_host"
    text = str(result.result.get("markdown", ""))
    if not text.strip():
        return None, "empty"
    title = result.result.get("title")
    return Document(url=final_url, text=text, title=title, job_id=result.job_id), ""


def to_page(document: Document) -> Plain:
    return {"url": document.url, "sha256": document.digest, "title": document.title}


async def load_pages(ctx: OrchestratorContext, pages: Sequence[Plain]) -> list[Document]:
    loaded = [await ctx.load_document(page["sha256"]) for page in pages]
    return [document for document in loaded if document is not None]


def to_plain(passage: Passage) -> Plain:
    return {
        "url": passage.url,
        "sha256": passage.sha256,
        "start": passage.start,
        "end": passage.end,
        "text": passage.text,
        "job_id": str(passage.job_id) if passage.job_id else None,
    }


def to_passage(plain: Mapping[str, Any]) -> Passage:
    job_id = plain["job_id"]
    return Passage(
        url=plain["url"],
        sha256=plain["sha256"],
        start=plain["start"],
        end=plain["end"],
        text=plain["text"],
        job_id=UUID(job_id) if job_id else None,
    )


def to_citation(plain: Mapping[str, Any]) -> Citation:
    passage = to_passage(plain)
    return Citation(
        url=passage.url,
        sha256=passage.sha256,
        start=passage.start,
        end=passage.end,
        quote=passage.text,
        job_id=passage.job_id,
    )


async def keep_literal(ctx: OrchestratorContext, passages: Sequence[Passage]) -> list[Passage]:
    """Return the passages that are in the stored documents at the places that they name."""
    documents = {digest: await ctx.load_document(digest) for digest in _digests(passages)}
    return [each for each in passages if is_literal(each, documents[each.sha256])]


def _digests(passages: Sequence[Passage]) -> list[str]:
    return list(dict.fromkeys(passage.sha256 for passage in passages))


def add_notes(notes: Sequence[str], *more: str) -> list[str]:
    return list(dict.fromkeys([*notes, *more]))[:MAX_NOTES]


def explain_partial(reason: str | None, pages: object) -> Plain:
    """Return the two fields of a result; a run that could read no page has no whole result."""
    reason = reason or (None if pages else "pages_unavailable")
    return {"partial": reason is not None, "partial_reason": reason}
