"""Opens a page and returns its text."""

import asyncio
from bisect import bisect_right
from typing import Any, Final, cast

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout
from pydantic import TypeAdapter

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.failures import explain_lost_page
from msaas.contracts import (
    MAX_INLINE_RESULT,
    NavigateAndExtractTextParams,
    NavigateAndExtractTextResult,
    normalise_text,
)
from msaas.worker import ActionFailed

DEFAULT_TIMEOUT_MS: Final = 30_000
# Kept back from the run's own time, to say what went wrong before it is over.
_LAST_WORDS: Final = 0.5
# A page that leads on while it is read is read again where it arrives.
_READINGS: Final = 3
_LED_ON: Final = "Execution context was destroyed"
_LOST: Final = "chrome-error:"
# For the word that says whether it was cut.
_SLACK: Final = 16
_JSON: Final = TypeAdapter(str)
# What a page says of itself is cut before it is sent: it may be huge, and need not even be text.
_READ: Final = """(element, most) => {
  const text = String(element.innerText ?? element.textContent ?? "");
  return [String(document.title).slice(0, 1000), text.slice(0, most), text.length > most];
}"""
# A picture that is not shown has a document of nothing at all.
_READ_PAGE: Final = f"most => ({_READ})(document.body ?? document.documentElement ?? {{}}, most)"


class NavigateAndExtractTextAction(BrowserAction):
    async def visit(self, visit: Visit) -> NavigateAndExtractTextResult:
        params = visit.run.params
        if not isinstance(params, NavigateAndExtractTextParams):
            raise TypeError("the action was given the parameters of another task")
        return await _Reader(visit, params).read()


class _Reader:
    """The steps of one visit, all within one stretch of time."""

    def __init__(self, visit: Visit, params: NavigateAndExtractTextParams) -> None:
        self._visit = visit
        self._page = visit.page
        self._params = params
        asked = (params.timeout_ms or DEFAULT_TIMEOUT_MS) / 1000
        left = visit.run.seconds_left() - _LAST_WORDS
        self._ends_at = asyncio.get_running_loop().time() + min(asked, left)

    async def read(self) -> NavigateAndExtractTextResult:
        until = self._params.wait_until or "load"
        async with self._visit.step("goto"):
            response = await self._page.goto(
                self._params.url, wait_until=until, timeout=self._left_ms()
            )
        if self._params.wait_for_selector:
            async with self._visit.step("wait"):
                await self._wait_for(self._params.wait_for_selector)
        async with self._visit.step("extract"):
            title, text, is_cut = await self._extract()
        if self._page.url.startswith(_LOST):
            raise explain_lost_page(self._visit.find_refusal())
        result = NavigateAndExtractTextResult(
            url=self._params.url,
            final_url=self._page.url,
            status=response.status if response else None,
            title=title,
            text="",
            truncated=is_cut,
            timings=dict(self._visit.run.timings),
        )
        return fit_text(result, normalise_text(text))

    async def _wait_for(self, selector: str) -> None:
        try:
            await self._page.wait_for_selector(selector, timeout=self._left_ms())
        except PlaywrightTimeout as error:
            raise _not_found("wait_for_selector") from error

    async def _extract(self) -> tuple[str, str, bool]:
        """Read where the page has come to rest: while it leads on there is nothing to read."""
        readings = 1
        while True:
            try:
                # A script of the page's own has no time limit unless it is given one.
                async with asyncio.timeout(self._left_ms() / 1000):
                    return await self._extract_here()
            except TimeoutError:
                raise ActionFailed("timeout", "The page took too long.", retryable=True) from None
            except PlaywrightError as error:
                if _LED_ON not in error.message or readings == _READINGS:
                    raise
            readings += 1
            await self._page.wait_for_load_state(timeout=self._left_ms())

    async def _extract_here(self) -> tuple[str, str, bool]:
        if self._params.selector is None:
            found = await self._page.evaluate(_READ_PAGE, MAX_INLINE_RESULT)
        else:
            element = await self._page.query_selector(self._params.selector)
            if element is None:
                raise _not_found("selector")
            found = await element.evaluate(_READ, MAX_INLINE_RESULT)
        title, text, is_cut = cast("list[Any]", found)
        return str(title), str(text), bool(is_cut)

    def _left_ms(self) -> float:
        """Never nothing, which Playwright takes for no limit at all."""
        return max(1.0, (self._ends_at - asyncio.get_running_loop().time()) * 1000)


def _not_found(parameter: str) -> ActionFailed:
    words = f"Nothing on the page matches {parameter}."
    return ActionFailed("selector_not_found", words, retryable=False)


def fit_text(result: NavigateAndExtractTextResult, text: str) -> NavigateAndExtractTextResult:
    """Put in as much of the text as a result may hold."""
    room = MAX_INLINE_RESULT - len(result.model_dump_json().encode()) - _SLACK
    fitting = text[: bisect_right(range(len(text)), room, key=lambda n: _size(text[: n + 1]))]
    cut = result.truncated or len(fitting) < len(text)
    return result.model_copy(update={"text": fitting, "truncated": cut})


def _size(text: str) -> int:
    return len(_JSON.dump_json(text))
