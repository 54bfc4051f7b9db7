"""Decides about calls of tools by where their arguments are from: pure, and independent of models.

What a page says can choose among its own links on the hosts that the user has named. Everything
else that depends on a page is refused, or needs a person.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, cast

from msaas.agents.domain.evidence import Document
from msaas.agents.domain.secrets import contains_secret
from msaas.agents.domain.tools import (
    Allowed,
    Blocked,
    NeedsApproval,
    Origin,
    PolicyDecision,
    Tagged,
    ToolCall,
)
from msaas.agents.domain.urls import (
    find_cargo,
    find_fault,
    find_foreign_fault,
    host_of,
    squeeze,
)

MAX_ARGUMENT: Final = 4_000
"""Characters of all text of one argument."""


class Kind(StrEnum):
    """What an argument means for the outside."""

    URL = "url"  # an address that is opened
    LOOKUP = "lookup"  # a name under which something of the user's own is looked up
    OPTION = "option"  # how something is read; it changes nothing and carries nothing
    TEXT = "text"  # what is typed, selected, sent or named: recipients and amounts too
    SECRET = "secret"  # noqa: S105 (a kind) - sealed values, and headers that may carry them


class Rule(StrEnum):
    ALLOW = "allow"
    ASK = "ask"
    BLOCK = "block"
    USER_URL = "user_url"  # safe, and literally in the run's parameters
    PAGE_URL = "page_url"  # a link of a page that was read, on a permitted host, without cargo


RULES: Final[Mapping[tuple[Kind, Origin], tuple[Rule, Rule]]] = MappingProxyType(
    {
        # (kind, origin): (of a tool that only reads, of a tool with effects)
        (Kind.URL, Origin.USER): (Rule.USER_URL, Rule.USER_URL),
        (Kind.URL, Origin.PLAN): (Rule.USER_URL, Rule.USER_URL),
        (Kind.URL, Origin.PAGE): (Rule.PAGE_URL, Rule.BLOCK),
        (Kind.LOOKUP, Origin.USER): (Rule.ALLOW, Rule.ALLOW),
        (Kind.LOOKUP, Origin.PLAN): (Rule.ALLOW, Rule.ALLOW),
        (Kind.LOOKUP, Origin.PAGE): (Rule.ALLOW, Rule.ASK),
        (Kind.OPTION, Origin.USER): (Rule.ALLOW, Rule.ALLOW),
        (Kind.OPTION, Origin.PLAN): (Rule.ALLOW, Rule.ALLOW),
        (Kind.OPTION, Origin.PAGE): (Rule.ASK, Rule.ASK),
        (Kind.TEXT, Origin.USER): (Rule.ALLOW, Rule.ALLOW),
        (Kind.TEXT, Origin.PLAN): (Rule.ALLOW, Rule.ALLOW),
        (Kind.TEXT, Origin.PAGE): (Rule.ASK, Rule.ASK),
        (Kind.SECRET, Origin.USER): (Rule.BLOCK, Rule.BLOCK),
        (Kind.SECRET, Origin.PLAN): (Rule.BLOCK, Rule.BLOCK),
        (Kind.SECRET, Origin.PAGE): (Rule.BLOCK, Rule.BLOCK),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """`arguments` not named here are refused."""

    has_effects: bool
    arguments: Mapping[str, Kind]


_OPEN: Final = {
    "url": Kind.URL,
    "wait_for_selector": Kind.TEXT,
    "timeout_ms": Kind.OPTION,
    "wait_until": Kind.OPTION,
    "viewport": Kind.OPTION,
    "device": Kind.OPTION,
    "locale": Kind.OPTION,
    "timezone": Kind.OPTION,
    "block_resources": Kind.OPTION,
    "javascript": Kind.OPTION,
    "user_agent": Kind.SECRET,
    "headers": Kind.SECRET,
    "cookies": Kind.SECRET,
}


def _reads(**more: Kind) -> Tool:
    return Tool(has_effects=False, arguments={**_OPEN, "selector": Kind.TEXT, **more})


TOOLS: Final[Mapping[str, Tool]] = MappingProxyType(
    {
        "navigate_and_extract_text": _reads(),
        "extract_markdown": _reads(whole_page=Kind.OPTION),
        "extract_links": _reads(only=Kind.OPTION, limit=Kind.OPTION),
        "crawl_site": _reads(
            max_pages=Kind.OPTION,
            max_depth=Kind.OPTION,
            content=Kind.OPTION,
            sitemap=Kind.OPTION,
            include=Kind.TEXT,
            exclude=Kind.TEXT,
        ),
        "run_steps": Tool(has_effects=True, arguments={**_OPEN, "steps": Kind.TEXT}),
        "http_request": Tool(
            has_effects=True,
            arguments={
                "url": Kind.URL,
                "method": Kind.TEXT,
                "body": Kind.TEXT,
                "headers": Kind.SECRET,
            },
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What the user's own words permit: tools, and the addresses that are literally in them."""

    tools: frozenset[str]
    urls: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()
    canaries: frozenset[str] = frozenset()
    catalogue: Mapping[str, Tool] = field(default_factory=lambda: TOOLS)

    @property
    def hosts(self) -> frozenset[tuple[str, int]]:
        return frozenset(host for url in self.urls if (host := host_of(url)))


@dataclass(frozen=True, slots=True)
class KnownPage:
    """A page that the run has read."""

    url: str
    text: str
    squeezed: str

    @classmethod
    def of(cls, document: Document) -> "KnownPage":
        return cls(document.url, document.text, squeeze(document.text))


def decide(call: ToolCall, grant: Grant, pages: Mapping[str, KnownPage]) -> PolicyDecision:
    """Return the strictest decision about any argument; what no rule names is blocked."""
    tool = grant.catalogue.get(call.task_type)
    if tool is None or call.task_type not in grant.tools:
        return Blocked(reason="tool_not_allowed", argument="")
    waits: NeedsApproval | None = None
    for name, tagged in call.arguments.items():
        decision = _decide_argument(name, tagged, tool, grant, pages)
        if isinstance(decision, Blocked):
            return decision
        if isinstance(decision, NeedsApproval):
            waits = waits or decision
    return waits or Allowed()


def _decide_argument(
    name: str, tagged: Tagged, tool: Tool, grant: Grant, pages: Mapping[str, KnownPage]
) -> PolicyDecision:
    kind = tool.arguments.get(name)
    if kind is None:
        return Blocked(reason="argument_unknown", argument=name)
    if fault := _find_text_fault(tagged.value, grant.canaries):
        return Blocked(reason=fault, argument=name)
    rule = RULES[kind, tagged.origin][tool.has_effects]
    if rule is Rule.ALLOW:
        return Allowed()
    if rule is Rule.ASK:
        return NeedsApproval(reason=f"{kind}_from_page", argument=name)
    if rule is Rule.BLOCK:
        reason = "secret" if kind is Kind.SECRET else f"{kind}_from_page"
        return Blocked(reason=reason, argument=name)
    fault = _find_url_fault(rule, tagged, grant, pages)
    return Blocked(reason=fault, argument=name) if fault else Allowed()


def _find_text_fault(value: object, canaries: frozenset[str]) -> str | None:
    texts = list(_list_texts(value))
    if sum(map(len, texts)) > MAX_ARGUMENT:
        return "argument_too_long"
    return "secret" if any(contains_secret(text, canaries) for text in texts) else None


def _list_texts(value: Any) -> list[str]:
    """Return all text in a value of JSON."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        inner = cast("Mapping[str, Any]", value)
        return [text for pair in inner.items() for part in pair for text in _list_texts(part)]
    if isinstance(value, list | tuple):
        return [text for each in cast("list[Any]", value) for text in _list_texts(each)]
    return []


def _find_url_fault(
    rule: Rule, tagged: Tagged, grant: Grant, pages: Mapping[str, KnownPage]
) -> str | None:
    url = tagged.value
    if not isinstance(url, str):
        return "url_malformed"
    if rule is Rule.USER_URL:
        return find_fault(url) or (None if url in grant.urls else "url_not_given")
    return _find_page_url_fault(url, tagged.sources, grant, pages)


def _find_page_url_fault(
    url: str, sources: frozenset[str], grant: Grant, pages: Mapping[str, KnownPage]
) -> str | None:
    """Return why a link of a page is not followed."""
    host = host_of(url)
    fault = find_fault(url) if host in grant.hosts else find_foreign_fault(url)
    if fault is not None:
        return fault
    if host not in grant.hosts:
        return "url_host_not_permitted"
    written_by = [page for source in sources if (page := pages.get(source))]
    if not any(url in page.text for page in written_by):
        return "url_not_on_page"
    foreign = [page.squeezed for page in pages.values() if host_of(page.url) != host]
    return find_cargo(url, foreign, [squeeze(text) for text in grant.texts])
