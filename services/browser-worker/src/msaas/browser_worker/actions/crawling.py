"""Reads the pages of one site, as far as it allows and the limits reach."""

import asyncio
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.async_api import Error as PlaywrightError

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.actions.frontier import Frontier, Known, read_sitemap
from msaas.browser_worker.actions.links import MOST_LINKS, READ_PAGE_LINKS, build_links
from msaas.browser_worker.actions.markdown import MOST_HTML, READ_PAGE_HTML, write_markdown
from msaas.browser_worker.actions.navigation import READ_PAGE_TEXT
from msaas.browser_worker.actions.opening import Opening
from msaas.browser_worker.failures import explain
from msaas.contracts import CrawledPage, CrawlSiteParams, CrawlSiteResult, normalise_text
from msaas.worker import ActionFailed

MOST_PAGE_TEXT: Final = 100_000
_CRAWL_MS: Final = 240_000
_PAGE_MS: Final = 15_000
_LAST_PAGE_MS: Final = 500
_MOST_SIDE_FILE: Final = 1_000_000
_MOST_SITEMAPS: Final = 5
_OK: Final = 200
# With them the page, or the browser, is gone; what was read until then is kept.
_ENDS: Final = frozenset({"page_crashed", "page_failed", "browser_unavailable"})


class CrawlSiteAction(BrowserAction):
    async def visit(self, visit: Visit) -> CrawlSiteResult:
        params = visit.get_params(CrawlSiteParams)
        return await _Crawl(visit, params).run()


class _Crawl:
    def __init__(self, visit: Visit, params: CrawlSiteParams) -> None:
        self._visit = visit
        self._params = params
        self._opening = Opening(visit, params, default_ms=_CRAWL_MS)
        self._frontier = Frontier(params)
        self._pages: list[CrawledPage] = []

    async def run(self) -> CrawlSiteResult:
        async with self._visit.step("robots"):
            await self._learn_rules()
        if not self._frontier.begin():
            words = "The site's robots.txt does not allow this page to be read."
            raise ActionFailed("robots_disallowed", words, retryable=False)
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
            disallowed=self._frontier.disallowed,
        )

    async def _learn_rules(self) -> None:
        parts = urlsplit(self._params.url)
        rules = await self._read_side_file(f"{parts.scheme}://{parts.netloc}/robots.txt")
        self._frontier = Frontier(self._params, rules)

    async def _read_sitemaps(self) -> None:
        parts = urlsplit(self._params.url)
        named = self._frontier.sitemaps or [f"{parts.scheme}://{parts.netloc}/sitemap.xml"]
        for url in named[:_MOST_SITEMAPS]:
            self._frontier.add(read_sitemap(await self._read_side_file(url)), 1)

    async def _read_side_file(self, url: str) -> str:
        """Read what a site says to crawlers, through the same door; it may as well say nothing."""
        try:
            answer = await self._opening.page.goto(url, timeout=self._page_ms())
            if answer is None or answer.status != _OK:
                return ""
            async with asyncio.timeout(self._page_ms() / 1000):
                body = await answer.body()
        except (PlaywrightError, TimeoutError):
            return ""
        return body[:_MOST_SIDE_FILE].decode(errors="replace")

    async def _read_pages(self) -> Any:
        """Answer why it ended, in the contract's words."""
        while (known := self._frontier.take()) is not None:
            if len(self._pages) >= self._params.max_pages:
                self._frontier.put_back(known)
                return "max_pages"
            if self._opening.left_ms() < _LAST_PAGE_MS:
                self._frontier.put_back(known)
                return "timeout"
            await self._visit.run.check()
            page = await self._read_page(known)
            if page is None:
                continue
            self._pages.append(page)
            if page.failure_reason in _ENDS:
                return "browser_ended"
            await self._tell_progress()
            await asyncio.sleep(min(self._frontier.delay, self._opening.left_ms() / 1000))
        return "complete"

    async def _read_page(self, known: Known) -> CrawledPage | None:
        try:
            return await self._read_open_page(known)
        except PlaywrightError as error:
            failed = explain(error, self._visit.find_refusal())
        except ActionFailed as error:
            failed = error
        if not self._pages:  # without its first page there is no crawl
            raise failed
        return CrawledPage(url=known.url, depth=known.depth, failure_reason=failed.reason)

    async def _read_open_page(self, known: Known) -> CrawledPage | None:
        until = self._params.wait_until or "load"
        page = self._opening.page
        answer = await page.goto(known.url, wait_until=until, timeout=self._page_ms())
        if self._params.wait_for_selector and not self._pages:
            await page.wait_for_selector(self._params.wait_for_selector, timeout=self._page_ms())
        title, raw = await self._opening.read(READ_PAGE_LINKS, MOST_LINKS)
        if page.url != known.url and not self._frontier.note_arrival(page.url):
            return None
        content, is_cut = await self._read_content()
        links = build_links(raw, page.url)
        self._frontier.add((one.url for one in links if not one.nofollow), known.depth + 1)
        return CrawledPage(
            url=page.url,
            depth=known.depth,
            status=answer.status if answer else None,
            title=str(title),
            content=content,
            truncated=is_cut,
            links=len(links),
        )

    async def _read_content(self) -> tuple[str | None, bool]:
        if self._params.content == "none":
            return None, False
        if self._params.content == "text":
            _, text, is_cut = await self._opening.read(READ_PAGE_TEXT, MOST_PAGE_TEXT)
            return normalise_text(str(text)), bool(is_cut)
        _, html, is_cut = await self._opening.read(READ_PAGE_HTML, [MOST_HTML, False])
        markdown = await write_markdown(str(html))
        return markdown[:MOST_PAGE_TEXT], bool(is_cut) or len(markdown) > MOST_PAGE_TEXT

    async def _tell_progress(self) -> None:
        read, most = len(self._pages), self._params.max_pages
        percent = 100 * read // min(most, read + len(self._frontier))
        await self._visit.run.progress(percent, f"{read} of at most {most} pages")

    def _page_ms(self) -> float:
        return min(float(_PAGE_MS), self._opening.left_ms())
