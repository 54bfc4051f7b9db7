"""Sees to it that one visit stays within its limits, and ends it where it does not."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, cast
from urllib.parse import urlsplit

from playwright.async_api import Dialog, Frame, Page, Request
from playwright.async_api import Error as PlaywrightError

from msaas.browser_worker.egress import Door
from msaas.browser_worker.failures import Excess, explain_crash, explain_excess, explain_net
from msaas.worker import ActionFailed

LOOK_EVERY: Final = 0.25
# News of a crash come a moment after those of the navigation that it ended.
_NEWS_SECONDS: Final = 0.3
_ABORTED: Final = "ERR_ABORTED"
_COUNT_NODES: Final = "Memory.getDOMCounters"
# Where a page may lead its own window; and where it arrives when it tried another place.
_SCHEMES: Final = frozenset({"http", "https", "about", "blob", "chrome-error", ""})
_TRIED_ANOTHER: Final = "about:blank#blocked"
# The answer began and was not what it said: for the load of such a page one would wait in vain.
_BROKEN_OFF: Final = ("ERR_CONTENT_", "ERR_INCOMPLETE_")


class Watch:
    """`was_slain` tells of a page that has crashed whether it did so because it was too large."""

    def __init__(self, page: Page, door: Door, was_slain: Callable[[], bool]) -> None:
        self._page = page
        self._door = door
        self._was_slain = was_slain
        self._counts: Counter[Excess] = Counter()
        self._failure: ActionFailed | None = None
        self._stop = asyncio.timeout(None)
        self._is_stopped = self._is_over = False
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def keep(self) -> AsyncGenerator[None]:
        """Fail with what was exceeded, in the place of whatever came of it."""
        try:
            async with self._stop:
                self._listen()
                self._spawn(self._look())
                yield
        except (TimeoutError, PlaywrightError, ActionFailed) as error:
            self._is_stopped = True
            failure = self._failure or await self._wait_for_news(error)
            if failure is None:
                raise
            raise failure from error
        finally:
            self._is_stopped = self._is_over = True
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _wait_for_news(self, error: Exception) -> ActionFailed | None:
        if isinstance(error, PlaywrightError) and _ABORTED in error.message:
            with suppress(TimeoutError):
                async with asyncio.timeout(_NEWS_SECONDS):
                    await self._news.wait()
        return self._failure

    def _listen(self) -> None:
        self._door.on_spent = lambda: self._end(explain_excess(Excess.BYTES))
        self._page.on("popup", self._close_popup)
        self._page.on("dialog", self._close_dialog)
        self._page.on("request", self._count_redirects)
        self._page.on("requestfailed", self._notice_broken_off)
        self._page.on("framenavigated", self._check_scheme)
        self._page.on("crash", lambda _: self._end(explain_crash(was_slain=self._was_slain())))

    async def _look(self) -> None:
        """Count what the page holds, by the engine's own word; most pages are gone before."""
        with suppress(PlaywrightError):  # it ends with its page
            await asyncio.sleep(LOOK_EVERY)
            session = await self._page.context.new_cdp_session(self._page)
            while True:
                held = cast("dict[str, int]", await session.send(_COUNT_NODES))  # pyright: ignore[reportUnknownMemberType]  # Playwright's own gap
                if held["nodes"] > self._door.limits.nodes:
                    self._end(explain_excess(Excess.NODES))
                await asyncio.sleep(LOOK_EVERY)

    def _close_popup(self, popup: Page) -> None:
        popup.on("popup", self._close_popup)
        self._count(Excess.POPUPS, self._door.limits.popups)
        self._spawn(popup.close())

    def _close_dialog(self, dialog: Dialog) -> None:
        self._count(Excess.DIALOGS, self._door.limits.dialogs)
        # The one kind that asks whether to leave the page; all others are answered with no.
        is_leaving = dialog.type == "beforeunload"
        self._spawn(dialog.accept() if is_leaving else dialog.dismiss())

    def _count_redirects(self, request: Request) -> None:
        redirects, earlier = 0, request.redirected_from
        while earlier:
            redirects, earlier = redirects + 1, earlier.redirected_from
        if redirects > self._door.limits.redirects and request.is_navigation_request():
            self._end(explain_excess(Excess.REDIRECTS))

    def _notice_broken_off(self, request: Request) -> None:
        code = (request.failure or "").removeprefix("net::")
        if request.is_navigation_request() and code.startswith(_BROKEN_OFF):
            self._end(explain_net(code))

    def _check_scheme(self, frame: Frame) -> None:
        is_foreign = urlsplit(frame.url).scheme not in _SCHEMES or frame.url == _TRIED_ANOTHER
        if frame == self._page.main_frame and is_foreign:
            self._end(explain_excess(Excess.SCHEME))

    def _count(self, what: Excess, most: int) -> None:
        self._counts[what] += 1
        if self._counts[what] > most:
            self._end(explain_excess(what))

    def _end(self, failure: ActionFailed) -> None:
        """End the visit where it stands; the first reason is the one that counts."""
        if self._failure is None and not self._is_over:
            self._failure = failure
            self._news.set()
            if not self._is_stopped:
                self._stop.reschedule(asyncio.get_running_loop().time())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_quietly(work), name="watch")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    """Let what is closed already be closed."""
    with suppress(PlaywrightError):
        await work
