"""Enforces the limits of one visit, and ends it where it exceeds them."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol, cast
from urllib.parse import urlsplit

from playwright.async_api import Dialog, Frame, Page, Request
from playwright.async_api import Error as PlaywrightError

from msaas.browser_worker.egress.proxy import EgressProxy
from msaas.browser_worker.failures import (
    ExceededLimit,
    build_browser_unavailable,
    build_crash_failure,
    build_limit_failure,
    build_network_failure,
)
from msaas.worker import ActionFailed

NODE_POLL_INTERVAL: Final = 0.25
# News of a crash come a moment after those of the navigation that it ended.
_CRASH_EVENT_SECONDS: Final = 0.3
_ABORTED: Final = "ERR_ABORTED"
_COUNT_NODES: Final = "Memory.getDOMCounters"
# Schemes that a page may navigate to, and the URL that Chromium shows instead of others.
_ALLOWED_SCHEMES: Final = frozenset({"http", "https", "about", "blob", "chrome-error", ""})
_BLOCKED_URL: Final = "about:blank#blocked"
# The response broke off or was malformed: its load event never fires.
_BROKEN_RESPONSE_ERRORS: Final = ("ERR_CONTENT_", "ERR_INCOMPLETE_")


class MemorySupervisor(Protocol):
    """Says whether a crashed page, or the browser of some pages, used too much memory."""

    def was_killed_for_memory(self) -> bool: ...

    def count_pages_over_memory(self, since: float) -> int: ...


class PageMonitor:
    def __init__(self, page: Page, proxy: EgressProxy, memory: MemorySupervisor) -> None:
        self._page = page
        self._proxy = proxy
        self._memory = memory
        self._counts: Counter[ExceededLimit] = Counter()
        self._failure: ActionFailed | None = None
        self._timeout = asyncio.timeout(None)
        self._is_stopped = self._is_closed = False
        self._failure_event = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def enforce_limits(self) -> AsyncGenerator[None]:
        """Raise the failure of an exceeded limit instead of the error that followed from it."""
        try:
            async with self._timeout:
                self._listen()
                self._spawn(self._poll_node_count())
                self._spawn(self._poll_browser_memory())
                yield
        except (TimeoutError, PlaywrightError, ActionFailed) as error:
            self._is_stopped = True
            failure = self._failure or await self._wait_for_failure(error)
            if failure is None:
                raise
            raise failure from error
        finally:
            self._is_stopped = self._is_closed = True
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _wait_for_failure(self, error: Exception) -> ActionFailed | None:
        if isinstance(error, PlaywrightError) and _ABORTED in error.message:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CRASH_EVENT_SECONDS):
                    await self._failure_event.wait()
        return self._failure

    def _listen(self) -> None:
        self._proxy.on_limit_exceeded = lambda: self._fail(build_limit_failure(ExceededLimit.BYTES))
        self._page.on("popup", self._close_popup)
        self._page.on("dialog", self._close_dialog)
        self._page.on("request", self._count_redirects)
        self._page.on("requestfailed", self._check_broken_response)
        self._page.on("framenavigated", self._check_scheme)
        self._page.on(
            "crash",
            lambda _: self._fail(
                build_crash_failure(was_killed_for_memory=self._memory.was_killed_for_memory())
            ),
        )

    async def _poll_node_count(self) -> None:
        """Count the nodes of the page; most pages close before the first count."""
        with suppress(PlaywrightError):  # it ends with its page
            await asyncio.sleep(NODE_POLL_INTERVAL)
            session = await self._page.context.new_cdp_session(self._page)
            while True:
                counters = cast("dict[str, int]", await session.send(_COUNT_NODES))  # pyright: ignore[reportUnknownMemberType]  # Playwright's own gap
                if counters["nodes"] > self._proxy.limits.nodes:
                    self._fail(build_limit_failure(ExceededLimit.NODES))
                await asyncio.sleep(NODE_POLL_INTERVAL)

    async def _poll_browser_memory(self) -> None:
        """End the visit where its browser uses too much; another's page may be the cause."""
        started = time.monotonic()
        while True:
            await asyncio.sleep(NODE_POLL_INTERVAL)
            if open_pages := self._memory.count_pages_over_memory(started):
                is_alone = open_pages == 1
                self._fail(
                    build_limit_failure(ExceededLimit.MEMORY)
                    if is_alone
                    else build_browser_unavailable()
                )

    def _close_popup(self, popup: Page) -> None:
        popup.on("popup", self._close_popup)
        self._count(ExceededLimit.POPUPS, self._proxy.limits.popups)
        self._spawn(popup.close())

    def _close_dialog(self, dialog: Dialog) -> None:
        self._count(ExceededLimit.DIALOGS, self._proxy.limits.dialogs)
        # A beforeunload dialog asks whether to leave the page; all others are dismissed.
        is_leaving = dialog.type == "beforeunload"
        self._spawn(dialog.accept() if is_leaving else dialog.dismiss())

    def _count_redirects(self, request: Request) -> None:
        redirects, earlier = 0, request.redirected_from
        while earlier:
            redirects, earlier = redirects + 1, earlier.redirected_from
        if redirects > self._proxy.limits.redirects and request.is_navigation_request():
            self._fail(build_limit_failure(ExceededLimit.REDIRECTS))

    def _check_broken_response(self, request: Request) -> None:
        code = (request.failure or "").removeprefix("net::")
        if request.is_navigation_request() and code.startswith(_BROKEN_RESPONSE_ERRORS):
            self._fail(build_network_failure(code))

    def _check_scheme(self, frame: Frame) -> None:
        is_forbidden = (
            urlsplit(frame.url).scheme not in _ALLOWED_SCHEMES or frame.url == _BLOCKED_URL
        )
        if frame == self._page.main_frame and is_forbidden:
            self._fail(build_limit_failure(ExceededLimit.SCHEME))

    def _count(self, limit: ExceededLimit, maximum: int) -> None:
        self._counts[limit] += 1
        if self._counts[limit] > maximum:
            self._fail(build_limit_failure(limit))

    def _fail(self, failure: ActionFailed) -> None:
        """End the visit; the first reason is the one that counts."""
        if self._failure is None and not self._is_closed:
            self._failure = failure
            self._failure_event.set()
            if not self._is_stopped:
                self._timeout.reschedule(asyncio.get_running_loop().time())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_ignore_playwright_errors(work), name="page-monitor")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _ignore_playwright_errors(work: Coroutine[Any, Any, None]) -> None:
    """Ignore errors of a page that is already closed."""
    with suppress(PlaywrightError):
        await work
