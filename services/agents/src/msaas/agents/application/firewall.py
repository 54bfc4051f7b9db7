"""The policy of one run: what its parameters permit, and the pages that it has read."""

from typing import Final

from msaas.agents.application.ports import Run
from msaas.agents.domain.evidence import Document
from msaas.agents.domain.policy import Grant, KnownPage, decide
from msaas.agents.domain.tools import PolicyDecision, ToolCall
from msaas.contracts import ExtractParams, MonitorParams, ResearchParams, ValueObject

READING: Final = frozenset({"extract_markdown", "extract_links", "navigate_and_extract_text"})


class Firewall:
    """A ToolPolicy. A link is followed only if it is on a page that has been observed.

    Whoever stores or loads a document of the run says so with `observe`.
    """

    def __init__(self, run: Run, canaries: frozenset[str] = frozenset()) -> None:
        self._grant = grant_of(run.params, canaries)
        self._pages: dict[str, KnownPage] = {}

    def observe(self, document: Document) -> None:
        self._pages[document.url] = KnownPage.of(document)

    def decide(self, call: ToolCall) -> PolicyDecision:
        return decide(call, self._grant, self._pages)


def grant_of(params: ValueObject, canaries: frozenset[str] = frozenset()) -> Grant:
    """Return what the user permits: the addresses of the run, and pages of their hosts."""
    urls, texts = _read_params(params)
    return Grant(tools=READING, urls=frozenset(urls), texts=texts, canaries=canaries)


def _read_params(params: ValueObject) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if isinstance(params, ResearchParams):
        return params.seeds, (params.question,)
    if isinstance(params, ExtractParams):
        return params.urls, (params.instruction,)
    if isinstance(params, MonitorParams):
        return (params.url,), (params.instruction or "",)
    return (), ()
