"""Crawling a site: robots.txt, sitemap, limits, and partial results after a failure."""

import pytest
from browser_worker_support import BrowserHarness, FakeWebServer

from msaas.local.demo_site import DemoSite
from msaas.worker import ActionFailed


async def test_a_site_is_read_nearest_pages_first(harness: BrowserHarness, site: DemoSite) -> None:
    result = await harness.run_task("crawl_site", f"{site.url}/article", max_pages=4, max_depth=1)
    read = [page.url.removeprefix(site.url) for page in result.pages]
    assert read == ["/article", "/", "/list", "/form"]
    assert [page.depth for page in result.pages] == [0, 1, 1, 1]
    assert "White carries furthest." in result.pages[0].content
    assert (result.stopped, result.left) == ("complete", 0)
    assert harness.progress[0].message == "1 of at most 4 pages"


async def test_disallowed_pages_are_not_requested(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    web.add_page("/robots.txt", "User-agent: *\nDisallow: /private\nDisallow: /*?sort=")
    web.add_page("/", '<a href="/private/a">a</a><a href="/b?sort=1">b</a><a href="/c">c</a>')
    web.add_page("/c", "<p>see</p>")
    result = await harness.run_task("crawl_site", f"{web.url}/", content="none")
    assert [page.url for page in result.pages] == [f"{web.url}/", f"{web.url}/c"]
    assert result.disallowed == 2
    assert not {"/private/a", "/b?sort=1"} & set(web.requests)
    with pytest.raises(ActionFailed) as failed:
        await harness.run_task("crawl_site", f"{web.url}/private/a")
    assert (failed.value.reason, failed.value.may_retry) == ("robots_disallowed", False)


async def test_pages_of_the_sitemap_are_read_without_links_to_them(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    web.add_page("/robots.txt", f"Sitemap: {web.url}/map.xml\nSitemap: http://elsewhere.test/x.xml")
    web.add_page(
        "/map.xml",
        f"<urlset><url><loc>{web.url}/lone?a=1&amp;b=2</loc></url>"
        "<url><loc>http://elsewhere.test/</loc></url></urlset>",
        content_type="application/xml",
    )
    web.add_page("/lone?a=1&b=2", "<h1>Alone</h1>")
    web.add_page("/", "<p>home</p>")
    result = await harness.run_task("crawl_site", f"{web.url}/", content="markdown")
    assert [page.url for page in result.pages] == [f"{web.url}/", f"{web.url}/lone?a=1&b=2"]
    assert result.pages[1].content == "# Alone"
    assert len((await harness.run_task("crawl_site", f"{web.url}/", sitemap=False)).pages) == 1


async def test_a_page_that_fails_stops_no_other(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    web.add_page("/", '<a href="/file">f</a><a href="/gone">g</a><a href="/good">h</a>')
    web.add_page("/file", "x", content_disposition="attachment")
    web.add_page("/good", "<p>good</p>")
    result = await harness.run_task("crawl_site", f"{web.url}/")
    reported = [
        (page.url.removeprefix(web.url), page.status, page.failure_reason) for page in result.pages
    ]
    assert reported == [
        ("/", 200, None),
        ("/file", None, "download_refused"),
        ("/gone", 404, None),
        ("/good", 200, None),
    ]


async def test_pages_read_before_the_timeout_are_returned(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    links = "".join(f'<a href="/{number}">x</a>' for number in range(50))
    web.add_page("/", links + "<p>first</p>")
    web.add_page("/robots.txt", "User-agent: *\nCrawl-delay: 1")
    result = await harness.run_task("crawl_site", f"{web.url}/", timeout_ms=2_500, max_pages=100)
    assert result.stopped == "timeout"
    assert 1 <= len(result.pages) < 5
    assert result.left >= 45


async def test_limits_apply_and_remaining_pages_are_counted(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    links = "".join(f'<a href="/{name}">x</a>' for name in ("in/a", "in/b", "in/old", "out/a"))
    for path in ("/", "/in/a", "/in/b", "/in/old", "/out/a"):
        web.add_page(path, links)
    crawl = await harness.run_task(
        "crawl_site", f"{web.url}/", include=["/in/"], exclude=["/in/old"]
    )
    assert [page.url.removeprefix(web.url) for page in crawl.pages] == ["/", "/in/a", "/in/b"]
    some = await harness.run_task("crawl_site", f"{web.url}/", max_pages=2)
    assert (len(some.pages), some.stopped, some.left) == (2, "max_pages", 3)


async def test_a_first_page_that_fails_is_the_jobs_failure(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    web.close()
    with pytest.raises(ActionFailed) as failed:
        await harness.run_task("crawl_site", f"{web.url}/")
    assert (failed.value.reason, failed.value.may_retry) == ("navigation_failed", True)


async def test_a_hostile_robots_file_stops_no_crawl_and_no_other_job(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    agents = "\n".join(f"User-agent: a{number}" for number in range(1_900))
    rules = "\n".join(f"Disallow: /x{number}" for number in range(1_900))
    web.add_page("/robots.txt", f"{agents}\n{rules}", content_type="text/plain")
    links = "".join(f'<a href="/page/{"a" * 500}{number}">x</a>' for number in range(4_000))
    web.add_page("/", f"<p>first</p>{links}")
    result = await harness.run_task("crawl_site", f"{web.url}/", max_pages=1, timeout_ms=25_000)
    assert (len(result.pages), result.stopped) == (1, "max_pages")


async def test_a_robots_file_without_an_end_is_cut(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    padding = "# nothing but words\n" * 30_000
    rules = "User-agent: *\nDisallow: /private\n"
    web.add_page("/robots.txt", f"{rules}{padding}", content_type="text/plain")
    web.add_page("/", '<a href="/private">p</a><a href="/open">o</a>')
    web.add_page("/open", "<p>open</p>")
    result = await harness.run_task("crawl_site", f"{web.url}/")
    assert [page.url for page in result.pages] == [f"{web.url}/", f"{web.url}/open"]
    assert result.disallowed == 1
