"""Each task with a real browser, on the demo site and on the test's own pages."""

import json
from typing import Any

import pytest
from browser_worker_support import BrowserHarness, FakeWebServer

from msaas.local.demo_site import DemoSite
from msaas.worker import ActionFailed


async def test_markdown_keeps_headings_links_and_tables(
    harness: BrowserHarness, site: DemoSite
) -> None:
    result = await harness.run_task("extract_markdown", f"{site.url}/article")
    assert "## Colour" in result.markdown
    assert "| No." in result.markdown
    assert "| Anvil Head" in result.markdown
    assert f"({site.url}/assets/rhythm.svg)" in result.markdown
    assert "A made-up almanac" not in result.markdown
    assert (result.status, result.truncated, result.artifact) == (200, False, None)


async def test_markdown_of_the_whole_page_or_of_one_element(
    harness: BrowserHarness, site: DemoSite
) -> None:
    whole = await harness.run_task("extract_markdown", f"{site.url}/article", whole_page=True)
    assert f"[Home]({site.url}/)" in whole.markdown
    assert "A made-up almanac" in whole.markdown
    part = await harness.run_task("extract_markdown", f"{site.url}/article", selector="h2")
    assert part.markdown == "## Colour"


async def test_markdown_that_is_too_long_is_cut_and_stored_as_a_file(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    url = web.add_page("/long", "<main>" + "<p>many words of it</p>" * 6_000 + "</main>")
    result = await harness.run_task("extract_markdown", url)
    assert result.truncated
    assert len(result.model_dump_json()) <= 64 * 1024
    assert result.artifact.name == "page.md"
    assert harness.saved["page.md"].decode().startswith(result.markdown)


async def test_fields_have_the_requested_types(harness: BrowserHarness, site: DemoSite) -> None:
    fields: dict[str, Any] = {
        "heading": {"selector": "h1"},
        "pages": {"selector": ".pages a:not([rel])", "many": True, "type": "integer"},
        "following": {"selector": "//a[@rel='next']", "type": "url"},
        "icon": {"selector": "link[rel=icon]", "attribute": "href"},
        "price": {"selector": "#price", "type": "number", "default": None},
        "lights": {
            "selector": "tbody tr",
            "many": True,
            "fields": {
                "number": {"selector": "td", "type": "integer"},
                "name": {"selector": "./td[2]"},
                "range": {"selector": "td:nth-child(5)", "type": "number"},
            },
        },
    }
    result = await harness.run_task("extract_structured", f"{site.url}/list?page=2", fields=fields)
    assert result.data["heading"] == "The register, page 2 of 5"
    assert result.data["pages"] == [1, 2, 3, 4, 5]
    assert result.data["following"] == f"{site.url}/list?page=3"
    assert result.data["icon"] == "/assets/lamp.svg"
    assert result.data["price"] is None
    assert len(result.data["lights"]) == 10
    assert result.data["lights"][0] == {"number": 11, "name": "Driftwood Point", "range": 24.0}


@pytest.mark.parametrize(
    ("field", "reason", "message"),
    [
        ({"selector": "#nowhere"}, "field_not_found", "Field x: nothing on the page matches."),
        ({"selector": "h1", "type": "number"}, "field_invalid", "Field x: what is there is no nu"),
        ({"selector": "[[["}, "invalid_payload", "Field x: its selector is not valid."),
        ({"selector": "//["}, "invalid_payload", "Field x: its selector is not valid."),
        (
            {"selector": "main", "fields": {"y": {"selector": "#no"}}},
            "field_not_found",
            "Field x.y: nothing",
        ),
    ],
)
async def test_a_field_that_fails_is_named(
    harness: BrowserHarness, site: DemoSite, field: dict[str, Any], reason: str, message: str
) -> None:
    with pytest.raises(ActionFailed, match=message) as failed:
        await harness.run_task("extract_structured", f"{site.url}/article", fields={"x": field})
    assert (failed.value.reason, failed.value.may_retry) == (reason, False)


async def test_links_are_absolute_and_counted_once(
    harness: BrowserHarness, web: FakeWebServer, site: DemoSite
) -> None:
    page = f"""<a href="/a">One</a><a href="/a#more">again</a><a href="b?x=1"></a>
      <a href="{site.url}/" rel="nofollow ugc">Elsewhere</a><a href="mailto:a@b.c">write</a>
      <a href="javascript:void 0">run</a><a href="http://[">bad</a>"""
    url = web.add_page("/dir/page", page)
    links = (await harness.run_task("extract_links", url)).links
    assert [(link.url, link.text, link.in_origin, link.nofollow) for link in links] == [
        (f"{web.url}/a", "One", True, False),
        (f"{web.url}/dir/b?x=1", "", True, False),
        (f"{site.url}/", "Elsewhere", False, True),
    ]
    outside = await harness.run_task("extract_links", url, only="out_of_origin")
    assert [link.text for link in outside.links] == ["Elsewhere"]
    some = await harness.run_task("extract_links", url, limit=1)
    assert (len(some.links), some.total, some.truncated) == (1, 3, True)


async def test_a_screenshot_shows_images_in_the_requested_format(
    harness: BrowserHarness, site: DemoSite
) -> None:
    result = await harness.run_task("capture_screenshot", f"{site.url}/article")
    assert (result.width, result.height) == (1280, 720)
    assert harness.saved["screenshot.png"].startswith(b"\x89PNG")
    assert result.artifact.size == len(harness.saved["screenshot.png"])
    options: dict[str, Any] = {"full_page": True, "format": "jpeg", "quality": 60}
    result = await harness.run_task(
        "capture_screenshot", f"{site.url}/list", device="phone", **options
    )
    assert result.width >= 780
    assert result.height > 844 * 2
    assert harness.saved["screenshot.jpeg"].startswith(b"\xff\xd8")
    part = await harness.run_task("capture_screenshot", f"{site.url}/article", selector="h1")
    assert part.height < 100


async def test_screenshots_have_images_unless_they_are_blocked(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    url = web.add_page("/seen", '<img src="/picture.png"><script src="/script.js"></script>')
    await harness.run_task("capture_screenshot", url)
    assert "/picture.png" in web.requests
    web.requests.clear()
    await harness.run_task("capture_screenshot", url, block_resources=["image", "font", "script"])
    assert set(web.requests) - {"/favicon.ico"} == {"/seen"}
    web.requests.clear()
    await harness.visit(url, block_resources=[])
    assert "/picture.png" in web.requests


async def test_a_page_that_is_too_high_is_cut(harness: BrowserHarness, web: FakeWebServer) -> None:
    url = web.add_page("/high", '<div style="height: 40000px; width: 10px">x</div>')
    result = await harness.run_task("capture_screenshot", url, full_page=True)
    assert (result.height, result.truncated) == (16_000, True)


async def test_a_page_is_rendered_as_a_pdf(harness: BrowserHarness, site: DemoSite) -> None:
    result = await harness.run_task(
        "render_pdf", f"{site.url}/list", paper="A5", landscape=True, margin_mm=5.0, pages="1"
    )
    assert harness.saved["page.pdf"].startswith(b"%PDF-")
    assert result.artifact.content_type == "application/pdf"
    assert {"open", "goto", "print", "upload"} <= set(harness.run.timings)


async def test_steps_act_on_the_page_and_return_what_they_extract(
    harness: BrowserHarness, site: DemoSite
) -> None:
    steps: list[dict[str, Any]] = [
        {"do": "fill", "selector": "[name=light]", "secret": "light"},
        {"do": "fill", "selector": "[name=seen]", "text": "two flashes"},
        {"do": "hover", "selector": "button"},
        {"do": "scroll"},
        {"do": "screenshot"},
        {"do": "click", "selector": "button"},
        {"do": "wait_for", "selector": "#report"},
        {"do": "extract", "name": "report", "selector": "#report"},
        {"do": "pause", "ms": 1},
        {"do": "press", "key": "End"},
        {"do": "goto", "url": f"{site.url}/article"},
    ]
    result = await harness.run_task(
        "run_steps", f"{site.url}/form", steps=steps, secrets={"light": "Gannet Rock"}
    )
    assert "Gannet Rock" in result.extracted["report"]
    assert "two flashes" in result.extracted["report"]
    assert result.final_url == f"{site.url}/article"
    assert [step.number for step in result.steps] == list(range(1, 12))
    assert {f"step_{number:02}" for number in range(1, 12)} <= set(harness.run.timings)
    assert [artifact.name for artifact in result.artifacts] == ["screenshot-1.png"]


@pytest.mark.parametrize(
    ("step", "reason", "message"),
    [
        ({"do": "click", "selector": "#no"}, "selector_not_found", r"Step 2 \(click\): Nothing on"),
        ({"do": "click", "selector": "[[["}, "invalid_payload", r"Step 2 \(click\): A selector"),
        ({"do": "fill", "selector": "[name=seen]", "secret": "x"}, "step_failed", "no secret x"),
        (
            {"do": "extract", "name": "a", "selector": "h1", "attribute": "b"},
            "step_failed",
            "no attribute b",
        ),
        ({"do": "wait_for", "selector": "h1", "state": "hidden"}, "timeout", "not ready in time"),
        ({"do": "goto", "url": "http://127.0.0.1:1/"}, "navigation_failed", r"Step 2 \(goto\)"),
    ],
)
async def test_a_failing_step_is_named_with_its_reason_and_a_screenshot(
    harness: BrowserHarness, site: DemoSite, step: dict[str, Any], reason: str, message: str
) -> None:
    steps = [{"do": "scroll"}, step, {"do": "scroll"}]
    with pytest.raises(ActionFailed, match=message) as failed:
        await harness.run_task("run_steps", f"{site.url}/form", steps=steps, step_timeout_ms=700)
    assert failed.value.reason == reason
    assert harness.saved["failure.png"].startswith(b"\x89PNG")
    assert {"step_01", "step_02"} <= set(harness.run.timings)
    assert "step_03" not in harness.run.timings


async def test_options_reach_the_page(harness: BrowserHarness, web: FakeWebServer) -> None:
    reported: dict[str, str] = {}

    def echo(headers: dict[str, str]) -> bytes:
        reported.update({name.lower(): value for name, value in headers.items()})
        return b"""<p id=p>plain</p><script>p.textContent = JSON.stringify([
          navigator.language, navigator.userAgent, innerWidth, document.cookie,
          Intl.DateTimeFormat().resolvedOptions().timeZone])</script>"""

    web.pages["/me"] = 200, {"content-type": "text/html"}, echo
    result = await harness.visit(
        f"{web.url}/me",
        selector="p",
        locale="de-DE",
        timezone="Asia/Tokyo",
        user_agent="Almanac/1.0",
        viewport={"width": 900, "height": 500},
        headers={"referer": "http://from.test/", "dnt": "1"},
        cookies=[{"name": "seen", "value": "yes"}],
    )
    observed = json.loads(result.text)
    assert observed == ["de-DE", "Almanac/1.0", 900, "seen=yes", "Asia/Tokyo"]
    assert (reported["dnt"], reported["user-agent"], reported["cookie"]) == (
        "1",
        "Almanac/1.0",
        "seen=yes",
    )
    assert reported["referer"] == "http://from.test/"
    without = await harness.visit(f"{web.url}/me", selector="p", javascript=False)
    assert without.text == "plain"
    with pytest.raises(ActionFailed, match="time zone") as failed:
        await harness.visit(f"{web.url}/me", timezone="Mars/Olympus")
    assert failed.value.reason == "invalid_payload"
    assert harness.get_metric("jobs_browser_recycles_total", reason="worn") == 0
