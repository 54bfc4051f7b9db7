"""The policy: which call is allowed, by where its arguments are from."""

import base64
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.agents.tests.support.fake_context import make_run

from msaas.agents.application.firewall import Firewall
from msaas.agents.domain.evidence import Document
from msaas.agents.domain.policy import RULES, TOOLS, Grant, Kind, KnownPage, Rule, decide
from msaas.agents.domain.tools import (
    Allowed,
    Blocked,
    NeedsApproval,
    Origin,
    PolicyDecision,
    Tagged,
    ToolCall,
)
from msaas.agents.domain.urls import find_links, leads_within
from msaas.agents.workflows import ResearchWorkflow

SEED = "https://lights.example/"
PRIVATE = "https://intern.example:8443/plan"
CODE = "the launch is on 14 March at Cape Foundling"
EFFECTS = [name for name, tool in TOOLS.items() if tool.has_effects]


def _page(url: str, text: str) -> KnownPage:
    return KnownPage.of(Document(url=url, text=text))


def _follow(url: str, text: str | None = None, source: str = SEED) -> PolicyDecision:
    """Decide about a link that a page of the seed's host has, beside a private page."""
    pages = {
        SEED: _page(SEED, f"[link]({url})" if text is None else text),
        PRIVATE: _page(PRIVATE, f"Confidential: {CODE}. [next](https://intern.example:8443/q2)"),
    }
    grant = Grant(
        tools=frozenset(TOOLS),
        urls=frozenset({SEED, PRIVATE}),
        texts=("My account is 4711-0815-99",),
    )
    tagged = Tagged(value=url, origin=Origin.PAGE, sources=frozenset({source}))
    return decide(ToolCall(task_type="extract_markdown", arguments={"url": tagged}), grant, pages)


def _reason(decision: PolicyDecision) -> str | None:
    return None if isinstance(decision, Allowed) else decision.reason


@pytest.mark.parametrize(
    "url",
    [
        "https://lights.example/list",
        "https://lights.example/list?page=2&sort=name",
        "https://lights.example/2024/how-a-light-is-read-by-night-and-in-fog",
        "http://lights.example:443/odd",
        "https://intern.example:8443/q2",
    ],
)
def test_a_plain_link_on_a_seeds_host_is_followed(url: str) -> None:
    assert _follow(url) == Allowed()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://evil.example/", "url_host_not_permitted"),
        ("https://lights.example.evil.example/", "url_host_not_permitted"),
        ("https://lights.example:8443/", "url_port"),
        ("data:text/html,hello", "url_scheme"),
        ("blob:https://lights.example/1", "url_scheme"),
        ("javascript:alert(1)", "url_scheme"),
        ("file:///etc/passwd", "url_scheme"),
        ("ftp://lights.example/", "url_scheme"),
        ("//lights.example/x", "url_scheme"),
        ("JavaScript:alert(1)", "url_scheme"),
        ("https:lights.example/x", "url_malformed"),
        ("https://user:pass@lights.example/", "secret"),
        ("https://user@lights.example/", "url_credentials"),
        ("https://lights.example\\@evil.example/", "url_malformed"),
        ("https://lights.example/a b", "url_malformed"),
        ("https://lights.example/\t", "url_malformed"),
        ("https://[::1]/", "url_ip_literal"),
        ("https://169.254.169.254/latest", "url_ip_literal"),
        ("https://2130706433/", "url_ip_literal"),
        ("https://0x7f.1/", "url_ip_literal"),
        ("https://127.1/", "url_ip_literal"),
        ("https://lights.example:99999/", "url_malformed"),
        ("https://lïghts.example/", "url_malformed"),
        ("https://lights.example/?q=" + "a" * 300, "url_too_long"),
        ("https://lights.example/" + "a/" * 300, "url_too_long"),
        ("https://lights.example/" + "a" * 2_100, "url_too_long"),
        ("https://lights.example/?next=https://evil.example/", "url_encoded"),
        ("https://lights.example/?q=%2541%2542", "url_encoded"),
        ("https://lights.example/?q=aGVsbG8gd29ybGQgdGhpcyBpcyBsb25n", "url_high_entropy"),
        ("https://lights.example/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "url_high_entropy"),
        ("https://lights.example/?account=4711081599aaaa", None),
        ("https://lights.example/?account=4711-0815-99x", None),
        ("https://lights.example/?q=myaccountis47110815", "url_carries_text"),
        (f"https://lights.example/?q={CODE.replace(' ', '+')}", "url_carries_text"),
        (f"https://lights.example/?q={CODE[::-1].replace(' ', '-')}", "url_carries_text"),
        (f"https://lights.example/{CODE.replace(' ', '/')}", "url_carries_text"),
        (f"https://lights.example/?q={b'launch is on 14'.hex()}", "url_high_entropy"),
        ("https://lights.example/?q=rk_live_abcdefghijklmnopqrst", "secret"),
    ],
)
def test_a_link_that_leads_away_or_may_carry_data_is_blocked(url: str, reason: str | None) -> None:
    assert _reason(_follow(url)) == reason


def test_encoded_text_of_another_page_is_blocked() -> None:
    coded = base64.urlsafe_b64encode(b"14 March at Cape").decode().rstrip("=")
    assert _reason(_follow(f"https://lights.example/?q={coded}")) == "url_carries_text"
    assert _reason(_follow("https://lights.example/?q=MTRNYXJjaGF0Q2FwZQ")) == "url_carries_text"


def test_an_address_that_no_page_has_is_blocked() -> None:
    url = "https://lights.example/list"
    assert _reason(_follow(url, text="no link")) == "url_not_on_page"
    assert _reason(_follow(url, source="https://lights.example/unknown")) == "url_not_on_page"
    assert _reason(_follow(url, source=PRIVATE)) == "url_not_on_page"


@pytest.mark.parametrize("origin", [Origin.USER, Origin.PLAN])
def test_a_plan_repeats_the_users_addresses_and_adds_none(origin: Origin) -> None:
    firewall = Firewall(make_run(ResearchWorkflow(), question="q", seeds=[SEED]))

    def look(url: str, task_type: str = "extract_markdown") -> str | None:
        tagged = Tagged(value=url, origin=origin)
        return _reason(firewall.decide(ToolCall(task_type=task_type, arguments={"url": tagged})))

    assert look(SEED) is None
    assert look("https://lights.example/list") == "url_not_given"
    assert look(SEED, "run_steps") == "tool_not_allowed"
    assert look(SEED, "send_email") == "tool_not_allowed"


def test_every_case_has_a_rule_and_no_page_reaches_an_effect() -> None:
    assert set(RULES) == set(product(Kind, Origin))
    for (kind, origin), (reads, acts) in RULES.items():
        if kind is Kind.SECRET:
            assert reads is acts is Rule.BLOCK
        if origin is Origin.PAGE:
            assert reads in {Rule.PAGE_URL, Rule.ASK, Rule.BLOCK} or kind is Kind.LOOKUP
            assert acts in {Rule.ASK, Rule.BLOCK}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.just(SEED),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
TAGGED = st.builds(
    Tagged,
    value=JSON,
    origin=st.sampled_from(Origin),
    sources=st.sampled_from([frozenset[str](), frozenset({SEED})]),
)


@given(
    task_type=st.sampled_from([*TOOLS, "delete_file"]),
    arguments=st.dictionaries(
        st.sampled_from(
            sorted({name for tool in TOOLS.values() for name in tool.arguments} | {"x"})
        ),
        TAGGED,
        max_size=5,
    ),
)
def test_nothing_of_a_page_reaches_a_tool_with_effects(
    task_type: str, arguments: dict[str, Tagged]
) -> None:
    grant = Grant(tools=frozenset({*TOOLS, "delete_file"}), urls=frozenset({SEED}))
    pages = {SEED: _page(SEED, f"[self]({SEED})")}
    decision = decide(ToolCall(task_type=task_type, arguments=arguments), grant, pages)
    origins = {tagged.origin for tagged in arguments.values()}
    if task_type not in TOOLS:
        assert isinstance(decision, Blocked)
    elif Origin.PAGE in origins and task_type in EFFECTS:
        assert not isinstance(decision, Allowed)
    elif isinstance(decision, Allowed):
        for name, tagged in arguments.items():
            kind = TOOLS[task_type].arguments[name]
            assert kind is not Kind.SECRET
            assert tagged.origin is not Origin.PAGE or (kind is Kind.URL and tagged.value == SEED)


@given(st.text(alphabet="abcxyz.:/?#@%\\[]0123456789-_ \t\n", max_size=60))
def test_an_allowed_address_is_literally_on_a_page_and_on_a_permitted_host(tail: str) -> None:
    for url in (tail, f"https://lights.example{tail}", f"https://{tail}lights.example/"):
        if isinstance(_follow(url), Allowed):
            assert url.startswith((SEED, "https://lights.example?", "https://lights.example#")) or (
                url.lower().startswith(
                    (
                        "https://lights.example:443",
                        "https://lights.example.",
                        "https://lights.example",
                    )
                )
            )


@pytest.mark.parametrize("task_type", EFFECTS)
@pytest.mark.parametrize("kind", ["typed", "secret"])
def test_typed_text_of_a_page_needs_a_person_and_a_secret_is_never_typed(
    task_type: str, kind: str
) -> None:
    typed: Any = {"steps": [{"type": "hello"}]} if task_type == "run_steps" else {"body": "hello"}
    if kind == "secret":
        typed = {name: ["ghp_abcdefghijklmnopqrstuvwxyz0123456789"] for name in typed}
    arguments = {name: Tagged(value=value, origin=Origin.PAGE) for name, value in typed.items()}
    arguments["url"] = Tagged(value=SEED, origin=Origin.USER)
    grant = Grant(tools=frozenset(TOOLS), urls=frozenset({SEED}))
    decision = decide(ToolCall(task_type=task_type, arguments=arguments), grant, {})
    if kind == "secret":
        assert decision == Blocked(reason="secret", argument=next(iter(typed)))
    else:
        assert decision == NeedsApproval(reason="text_from_page", argument=next(iter(typed)))


def test_the_policy_has_a_limit_of_length() -> None:
    grant = Grant(tools=frozenset(TOOLS), urls=frozenset({SEED}))
    tagged = Tagged(value="x" * 5_000, origin=Origin.USER)
    decision = decide(ToolCall(task_type="run_steps", arguments={"steps": tagged}), grant, {})
    assert _reason(decision) == "argument_too_long"


def test_links_of_markdown_are_found_with_each_label() -> None:
    text = (
        "[A](https://a.example/x#one) ![i](https://a.example/i.png) [A](https://a.example/x) "
        "[B \n c](https://a.example/x) [B](https://a.example/x) <https://a.example/y>"
    )
    found = [(link.url.rpartition("/")[2], link.label) for link in find_links(text)]
    assert found == [("x", "A"), ("x", "B"), ("y", "")]


@pytest.mark.parametrize(
    ("requested", "final", "within"),
    [
        (SEED, "https://www.lights.example/home", True),
        ("http://lights.example/", SEED, True),
        (SEED, "https://evil.example/", False),
        ("http://127.0.0.1:8010/", "http://127.0.0.1:8011/", False),
        (SEED, "about:blank", False),
    ],
)
def test_a_redirect_stays_on_its_host(requested: str, final: str, *, within: bool) -> None:
    assert leads_within(requested, final) is within
