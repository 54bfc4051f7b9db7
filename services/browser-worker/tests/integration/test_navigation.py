"""Results and failures of visits, with a real browser."""

from typing import Any

import pytest
from browser_worker_support import TASK, BrowserHarness, FakeWebServer

from msaas.contracts import MAX_INLINE_RESULT
from msaas.local.demo_site import DemoSite
from msaas.worker import ActionFailed


async def test_the_text_of_a_page(harness: BrowserHarness, site: DemoSite) -> None:
    result = await harness.visit(f"{site.url}/article")
    assert (result.url, result.final_url) == (f"{site.url}/article", f"{site.url}/article")
    assert (result.status, result.truncated) == (200, False)
    assert result.title == "How a light is read · Lantern Almanac"
    assert "White carries furthest." in result.text
    assert set(result.timings) == {"open", "goto", "extract"}
    assert harness.run.timings == result.timings
    assert (
        harness.get_metric(
            "jobs_browser_total", task_type=harness.run.envelope.task_type, outcome="succeeded"
        )
        == 1
    )


async def test_the_text_of_one_element(harness: BrowserHarness, site: DemoSite) -> None:
    result = await harness.visit(f"{site.url}/article", selector="article h2")
    assert result.text == "Colour"
    result = await harness.visit(f"{site.url}/article", selector="//h3")
    assert result.text == "Five lights to begin with"


async def test_an_element_added_later_can_be_waited_for(
    harness: BrowserHarness, site: DemoSite
) -> None:
    result = await harness.visit(f"{site.url}/late", wait_for_selector="#late", selector="#late")
    assert result.text == "The post has arrived: all lights are lit."
    assert "wait" in result.timings
    with pytest.raises(ActionFailed) as failed:
        await harness.visit(f"{site.url}/late", selector="#late")
    assert (failed.value.reason, failed.value.may_retry) == ("selector_not_found", False)


@pytest.mark.parametrize("parameter", ["selector", "wait_for_selector"])
async def test_a_missing_element_is_not_found(
    harness: BrowserHarness, site: DemoSite, parameter: str
) -> None:
    params: dict[str, Any] = {"timeout_ms": 1500, parameter: "#nowhere"}
    with pytest.raises(ActionFailed) as failed:
        await harness.run_task(TASK, f"{site.url}/article", **params)
    assert (failed.value.reason, failed.value.may_retry) == ("selector_not_found", False)
    assert parameter in failed.value.safe_message


async def test_an_invalid_selector_is_an_invalid_payload(
    harness: BrowserHarness, site: DemoSite
) -> None:
    with pytest.raises(ActionFailed) as failed:
        await harness.visit(f"{site.url}/article", selector="[[[")
    assert (failed.value.reason, failed.value.may_retry) == ("invalid_payload", False)


async def test_a_slow_page_is_retryable(harness: BrowserHarness, site: DemoSite) -> None:
    with pytest.raises(ActionFailed) as failed:
        await harness.visit(f"{site.url}/slow?ms=20000", timeout_ms=500)
    assert (failed.value.reason, failed.value.may_retry) == ("timeout", True)
    with pytest.raises(ActionFailed) as failed:
        await harness.visit(f"{site.url}/slow?ms=20000", seconds=1)
    assert failed.value.reason == "timeout"


async def test_an_endless_script_ends_with_its_visit(
    harness: BrowserHarness, web: FakeWebServer, site: DemoSite
) -> None:
    loop = web.add_page("/loop", "<p>a</p><script>setTimeout(() => { for (;;) {} }, 0)</script>")
    with pytest.raises(ActionFailed) as failed:
        await harness.visit(loop, timeout_ms=1500, wait_until="commit")
    assert failed.value.reason == "timeout"
    assert (await harness.visit(f"{site.url}/")).status == 200


async def test_an_http_error_page_is_a_result(harness: BrowserHarness, site: DemoSite) -> None:
    result = await harness.visit(f"{site.url}/nowhere", selector="#missing")
    assert (result.status, result.text) == (404, "The almanac has no page of that name.")


async def test_a_redirect_shows_in_the_final_url(harness: BrowserHarness, site: DemoSite) -> None:
    result = await harness.visit(f"{site.url}/redirect")
    assert (result.url, result.final_url) == (f"{site.url}/redirect", f"{site.url}/article")


async def test_a_page_that_navigates_is_read_at_its_final_url(
    harness: BrowserHarness, web: FakeWebServer, site: DemoSite
) -> None:
    url = web.add_page("/on", f"<p>wait</p><script>location = '{site.url}/article'</script>")
    result = await harness.visit(url, wait_for_selector="#article")
    assert result.final_url == f"{site.url}/article"
    assert "Occulting" in result.text or "occulting" in result.text


@pytest.mark.parametrize("character", ["a", "\\n", "\U0001f600", "\x01"])
async def test_a_long_text_is_cut_to_the_size_of_a_result(
    harness: BrowserHarness, web: FakeWebServer, character: str
) -> None:
    page = f"""<body><pre></pre><script>
      document.querySelector("pre").textContent = "{character}".repeat(300000);
    </script>"""
    result = await harness.visit(web.add_page("/long", page), selector="pre")
    assert result.truncated
    size = len(result.model_dump_json().encode())
    assert MAX_INLINE_RESULT - 64 < size <= MAX_INLINE_RESULT


async def test_nul_and_lone_surrogates_are_normalised(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    script = r'document.body.textContent = "a\u0000b\ud800c"; document.title = "t\u0000\udfff"'
    result = await harness.visit(web.add_page("/odd", f"<body><script>{script}</script></body>"))
    assert result.text == "a\ufffdb\ufffdc"
    assert result.title is not None
    assert "\0" not in result.title
    assert result.model_dump_json()


@pytest.mark.parametrize(("head", "title"), [("", ""), ("<title>true</title>", "true")])
async def test_a_page_may_return_values_that_are_not_text(
    harness: BrowserHarness, web: FakeWebServer, head: str, title: str
) -> None:
    """A user gets the text and the title that the page shows, and not what its scripts answer.

    The text is "x", which is drawn, and not the 7 of the overridden property. A form that takes
    the name `title` is no title: a page that has no other has an empty one.
    """
    page = f"""{head}<form name=title></form><body><p>x</p><script>
      Object.defineProperty(document.body, "innerText", {{get: () => 7}});
    </script>"""
    result = await harness.visit(web.add_page("/clobbered", page))
    assert (result.text, result.title) == ("x", title)


@pytest.mark.parametrize("selector", [None, "p", "//p", "p:has-text('x')"])
async def test_elements_named_like_what_our_scripts_use_hide_nothing(
    harness: BrowserHarness, web: FakeWebServer, selector: str | None
) -> None:
    """An element with a name replaces the document's property of that name, for the page alone."""
    names = ("title", "body", "documentElement", "querySelector", "evaluate", "contentType")
    named = "".join(f"<img name={name}><form name={name}></form>" for name in names)
    page = f"<title>true</title><p>x</p>{named}"
    result = await harness.visit(web.add_page("/named", page), selector=selector)
    assert (result.text, result.title) == ("x", "true")


async def test_pictures_and_fonts_are_not_fetched(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    page = """
      <style>@font-face { font-family: f; src: url(/font.woff2) } p { font-family: f }</style>
      <p>text</p><img src="/picture.png"><div style="background: url(/back.png)">b</div>
      <script src="/script.js"></script>"""
    result = await harness.visit(web.add_page("/media", page), wait_until="networkidle")
    assert result.text.startswith("text")
    assert set(web.requests) - {"/favicon.ico"} == {"/media", "/script.js"}


async def test_a_download_is_refused(harness: BrowserHarness, web: FakeWebServer) -> None:
    url = web.add_page("/file", "x", content_disposition='attachment; filename="a.bin"')
    with pytest.raises(ActionFailed) as failed:
        await harness.visit(url)
    assert (failed.value.reason, failed.value.may_retry) == ("download_refused", False)


async def test_an_unreachable_server_is_retryable(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    web.close()
    with pytest.raises(ActionFailed) as failed:
        await harness.visit(f"{web.url}/")
    assert (failed.value.reason, failed.value.may_retry) == ("navigation_failed", True)


async def test_dialogs_and_popups_do_not_delay_the_visit(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    page = """<p>done</p><script>
      alert(1); confirm(2); prompt(3);
      for (let i = 0; i < 5; i++) open("/pop");
    </script>"""
    web.add_page("/pop", "<script>alert(4)</script>")
    assert (await harness.visit(web.add_page("/noisy", page), selector="p")).text == "done"


async def test_a_page_that_crashes_its_process_fails_alone(
    harness: BrowserHarness, site: DemoSite
) -> None:
    async with harness.engine.open_page() as page:
        with pytest.raises(Exception, match="crash"):
            await page.goto("chrome://crash")
    assert (await harness.visit(f"{site.url}/")).status == 200
    assert harness.get_metric("jobs_browser_recycles_total", reason="ended") == 0
