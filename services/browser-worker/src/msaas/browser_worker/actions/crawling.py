"""Reads the pages of one site, as far as it allows and the limits reach."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.async_api import Error as PlaywrightError

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.actions.crawl_frontier import CrawlFrontier, CrawlTarget, read_sitemap
from msaas.browser_worker.actions.links import MAX_LINKS, READ_PAGE_LINKS, build_links
from msaas.browser_worker.actions.markdown import MAX_HTML, READ_PAGE_HTML, convert_to_markdown
from msaas.browser_worker.actions.navigation import READ_PAGE_TEXT
from msaas.browser_worker.actions.page_session import PageSession
from msaas.browser_worker.actions.page_values import (
    MAX_TITLE,
    get_items,
    get_text,
    get_tuple,
    read_cut_text,
)
from msaas.browser_worker.failures import build_failure
from msaas.contracts import CrawledPage, CrawlSiteParams, CrawlSiteResult, normalise_text
from msaas.worker import ActionFailed

MAX_PAGE_TEXT: Final = 100_000
_CRAWL_MS: Final = 240_000
_PAGE_MS: Final = 15_000
_MIN_PAGE_MS: Final = 500
_MAX_METADATA_FILE: Final = 1_000_000
# A file that is too large is not taken out of the browser as a whole: its text is cut there.
_READ_IF_TOO_LARGE: Final = """most => {
  const size = performance.getEntriesByType("navigation")[0]?.decodedBodySize ?? most + 1;
  if (size <= most) return null;
  const root = document.documentElement;
  const text = document.contentType.endsWith("xml") ? root?.outerHTML : root?.textContent;
  return String(text ?? "").slice(0, most);
}"""
_MAX_SITEMAPS: Final = 5
_URLS_AT_ONCE: Final = 50
_OK: Final = 200
# The page or the browser is gone; the pages that were read before are returned.
_FATAL_REASONS: Final = frozenset({"page_crashed", "page_failed", "browser_unavailable"})


class CrawlSiteAction(BrowserAction):
    task_type = "crawl_site"

    async def visit(self, visit: Visit) -> CrawlSiteResult:
        params = visit.get_params(CrawlSiteParams)
        return await _Crawl(visit, params).run()


class _Crawl:
    def __init__(self, visit: Visit, params: CrawlSiteParams) -> None:
        self._visit = visit
        self._params = params
        self._session = PageSession(visit, params, default_ms=_CRAWL_MS)
        self._frontier = CrawlFrontier(params)
        self._pages: list[CrawledPage] = []

    async def run(self) -> CrawlSiteResult:
        async with self._visit.step("robots"):
            await self._read_robots()
        if not self._frontier.add_start_url():
            message = "The site's robots.txt does not allow this page to be read."
            raise ActionFailed("robots_disallowed", message, retryable=False)
        if self._params.sitemap:
            async with self._visit.step("sitemap"):
                await self._read_sitemaps()
        async with self._visit.step("pages"):
            stopped = await self._read_pages()
        return CrawlSiteResult(
            url=self._params.url,
            pages=tuple(self._pages),
            stopped=stopped,
            left=len(self._frontier),
            disallowed=self._frontier.disallowed_count,
        )

    async def _read_robots(self) -> None:
        parts = urlsplit(self._params.url)
        rules = await self._read_metadata_file(f"{parts.scheme}://{parts.netloc}/robots.txt")
        try:
            async with asyncio.timeout(self._page_timeout_ms() / 1000):
                self._frontier = await asyncio.to_thread(CrawlFrontier, self._params, rules)
        except TimeoutError:
            message = "Reading the site's robots.txt took too long."
            raise ActionFailed("timeout", message, retryable=True) from None

    async def _read_sitemaps(self) -> None:
        parts = urlsplit(self._params.url)
        named = self._frontier.sitemaps or [f"{parts.scheme}://{parts.netloc}/sitemap.xml"]
        for url in named[:_MAX_SITEMAPS]:
            await self._add_urls(read_sitemap(await self._read_metadata_file(url)), 1)

    async def _add_urls(self, urls: Sequence[str], depth: int) -> None:
        """Add a few at a time: each is matched with all rules, and other jobs are to go on."""
        for first in range(0, len(urls), _URLS_AT_ONCE):
            if self._session.remaining_ms() < _MIN_PAGE_MS:
                return
            self._frontier.add(urls[first : first + _URLS_AT_ONCE], depth)
            await asyncio.sleep(0)

    async def _read_metadata_file(self, url: str) -> str:
        """Read the site's robots.txt, through the same egress proxy; it may be missing."""
        try:
            response = await self._session.page.goto(url, timeout=self._page_timeout_ms())
            if response is None or response.status != _OK:
                return ""
            text = await self._session.evaluate(_READ_IF_TOO_LARGE, _MAX_METADATA_FILE)
            if text is not None:
                return get_text(text, _MAX_METADATA_FILE)
            async with asyncio.timeout(self._page_timeout_ms() / 1000):
                body = await response.body()
        except (PlaywrightError, TimeoutError):
            return ""
        return body[:_MAX_METADATA_FILE].decode(errors="replace")

    async def _read_pages(self) -> Any:
        """Return why the crawl ended, as the contract names it."""
        while (target := self._frontier.pop()) is not None:
            if len(self._pages) >= self._params.max_pages:
                self._frontier.push_front(target)
                return "max_pages"
            if self._session.remaining_ms() < _MIN_PAGE_MS:
                self._frontier.push_front(target)
                return "timeout"
            await self._visit.run.raise_if_cancelled()
            page = await self._read_page(target)
            if page is None:
                continue
            self._pages.append(page)
            if page.failure_reason in _FATAL_REASONS:
                return "browser_ended"
            await self._report_progress()
            await asyncio.sleep(min(self._frontier.delay, self._session.remaining_ms() / 1000))
        return "complete"

    async def _read_page(self, target: CrawlTarget) -> CrawledPage | None:
        try:
            return await self._open_and_read_page(target)
        except PlaywrightError as error:
            failed = build_failure(error, self._visit.find_refusal())
        except ActionFailed as error:
            failed = error
        if not self._pages:  # without its first page there is no crawl
            raise failed
        return CrawledPage(url=target.url, depth=target.depth, failure_reason=failed.reason)

    async def _open_and_read_page(self, target: CrawlTarget) -> CrawledPage | None:
        until = self._params.wait_until or "load"
        page = self._session.page
        response = await page.goto(target.url, wait_until=until, timeout=self._page_timeout_ms())
        if self._params.wait_for_selector and not self._pages:
            await page.wait_for_selector(
                self._params.wait_for_selector, timeout=self._page_timeout_ms()
            )
        raw = await self._session.evaluate(READ_PAGE_LINKS, MAX_LINKS)
        title, raw_links = get_tuple(raw, 2)
        if page.url != target.url and not self._frontier.record_redirect(page.url):
            return None
        content, truncated = await self._read_content()
        links = build_links(get_items(raw_links, MAX_LINKS), page.url)
        await self._add_urls([link.url for link in links if not link.nofollow], target.depth + 1)
        return CrawledPage(
            url=page.url,
            depth=target.depth,
            status=response.status if response else None,
            title=get_text(title, MAX_TITLE),
            content=content,
            truncated=truncated,
            links=len(links),
        )

    async def _read_content(self) -> tuple[str | None, bool]:
        if self._params.content == "none":
            return None, False
        if self._params.content == "text":
            raw = await self._session.evaluate(READ_PAGE_TEXT, MAX_PAGE_TEXT)
            _, text, truncated = read_cut_text(raw, MAX_PAGE_TEXT)
            return normalise_text(text), truncated
        raw = await self._session.evaluate(READ_PAGE_HTML, [MAX_HTML, False])
        _, html, truncated = read_cut_text(raw, MAX_HTML)
        markdown = await convert_to_markdown(html)
        return markdown[:MAX_PAGE_TEXT], truncated or len(markdown) > MAX_PAGE_TEXT

    async def _report_progress(self) -> None:
        read, maximum = len(self._pages), self._params.max_pages
        percent = 100 * read // min(maximum, read + len(self._frontier))
        await self._visit.run.report_progress(percent, f"{read} of at most {maximum} pages")

    def _page_timeout_ms(self) -> float:
        return min(float(_PAGE_MS), self._session.remaining_ms())
