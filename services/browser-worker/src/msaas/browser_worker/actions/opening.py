"""The steps that every visit begins with: open the page, wait for it, read it where it rests."""

import asyncio
from typing import Any, Final, TypedDict

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Response
from playwright.async_api import TimeoutError as PlaywrightTimeout

from msaas.browser_worker.actions.base import Visit
from msaas.browser_worker.failures import explain_lost_page
from msaas.contracts import PageParams
from msaas.worker import ActionFailed

DEFAULT_TIMEOUT_MS: Final = 30_000
# Kept back from the run's own time, to say what went wrong before it is over.
_LAST_WORDS: Final = 0.5
# A page that leads on while it is read is read again where it arrives.
_READINGS: Final = 3
_LED_ON: Final = "Execution context was destroyed"
_LOST: Final = "chrome-error:"
_TITLE: Final = "() => String(document.title).slice(0, 1000)"


class PageFacts(TypedDict):
    """What every result says of its page."""

    url: str
    final_url: str
    status: int | None
    title: str
    timings: dict[str, int]


class Opening:
    """One page within one stretch of time."""

    def __init__(
        self, visit: Visit, params: PageParams, default_ms: int = DEFAULT_TIMEOUT_MS
    ) -> None:
        self.visit = visit
        self.page = visit.page
        self.params = params
        self.response: Response | None = None
        asked = (params.timeout_ms or default_ms) / 1000
        left = visit.run.seconds_left() - _LAST_WORDS
        self._ends_at = asyncio.get_running_loop().time() + min(asked, left)

    async def open(self) -> None:
        async with self.visit.step("goto"):
            await self.go(self.params.url)
        if self.params.wait_for_selector:
            async with self.visit.step("wait"):
                await self._wait_for(self.params.wait_for_selector)

    async def go(self, url: str) -> Response | None:
        until = self.params.wait_until or "load"
        self.response = await self.page.goto(url, wait_until=until, timeout=self.left_ms())
        return self.response

    async def read(self, script: str, argument: object, selector: str | None = None) -> Any:
        """Read where the page has come to rest: while it leads on there is nothing to read.

        `script` is a function of the element that `selector` names and of the argument, or of the
        argument alone where it reads the whole page.
        """
        readings = 1
        while True:
            try:
                # A script of the page's own has no time limit unless it is given one.
                async with asyncio.timeout(self.left_ms() / 1000):
                    found = await self._read_here(script, argument, selector)
            except TimeoutError:
                raise ActionFailed("timeout", "The page took too long.", retryable=True) from None
            except PlaywrightError as error:
                if _LED_ON not in error.message or readings == _READINGS:
                    raise
            else:
                self.refuse_lost_page()
                return found
            readings += 1
            await self.page.wait_for_load_state(timeout=self.left_ms())

    async def read_title(self) -> str:
        return str(await self.read(_TITLE, None))

    def refuse_lost_page(self) -> None:
        if self.page.url.startswith(_LOST):
            raise explain_lost_page(self.visit.find_refusal())

    def tell(self, title: str) -> PageFacts:
        return {
            "url": self.params.url,
            "final_url": self.page.url,
            "status": self.response.status if self.response else None,
            "title": title,
            "timings": dict(self.visit.run.timings),
        }

    def left_ms(self) -> float:
        """Never nothing, which Playwright takes for no limit at all."""
        return max(1.0, (self._ends_at - asyncio.get_running_loop().time()) * 1000)

    async def _wait_for(self, selector: str) -> None:
        try:
            await self.page.wait_for_selector(selector, timeout=self.left_ms())
        except PlaywrightTimeout as error:
            raise not_found("wait_for_selector") from error

    async def _read_here(self, script: str, argument: object, selector: str | None) -> Any:
        if selector is None:
            return await self.page.evaluate(script, argument)
        element = await self.page.query_selector(selector)
        if element is None:
            raise not_found("selector")
        return await element.evaluate(script, argument)


def not_found(parameter: str) -> ActionFailed:
    words = f"Nothing on the page matches {parameter}."
    return ActionFailed("selector_not_found", words, retryable=False)
