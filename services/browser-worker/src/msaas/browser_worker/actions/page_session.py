"""The first steps of every visit: open the page, wait for it, and read it."""

import asyncio
from typing import Any, Final, TypedDict

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Response
from playwright.async_api import TimeoutError as PlaywrightTimeout

from msaas.browser_worker.actions.base import Visit
from msaas.browser_worker.failures import build_error_page_failure
from msaas.contracts import PageParams
from msaas.worker import ActionFailed

DEFAULT_TIMEOUT_MS: Final = 30_000
# Reserved at the end of the run's time, to report a failure.
_REPORTING_SECONDS: Final = 0.5
# A page that navigates while it is read is read again.
_MAX_READS: Final = 3
_CONTEXT_DESTROYED: Final = "Execution context was destroyed"
_ERROR_PAGE_SCHEME: Final = "chrome-error:"
_READ_TITLE: Final = "() => String(document.title).slice(0, 1000)"


class PageMetadata(TypedDict):
    """The fields that every result has."""

    url: str
    final_url: str
    status: int | None
    title: str
    timings: dict[str, int]


class PageSession:
    """One page with one deadline for all steps."""

    def __init__(
        self, visit: Visit, params: PageParams, default_ms: int = DEFAULT_TIMEOUT_MS
    ) -> None:
        self.visit = visit
        self.page = visit.page
        self.params = params
        self.response: Response | None = None
        timeout = (params.timeout_ms or default_ms) / 1000
        remaining = visit.run.seconds_left() - _REPORTING_SECONDS
        self._deadline = asyncio.get_running_loop().time() + min(timeout, remaining)

    async def open(self) -> None:
        async with self.visit.step("goto"):
            await self.goto(self.params.url)
        if self.params.wait_for_selector:
            async with self.visit.step("wait"):
                await self._wait_for_selector(self.params.wait_for_selector)

    async def goto(self, url: str) -> Response | None:
        until = self.params.wait_until or "load"
        self.response = await self.page.goto(url, wait_until=until, timeout=self.remaining_ms())
        return self.response

    async def evaluate(self, script: str, argument: object, selector: str | None = None) -> Any:
        """Evaluate a script, again where the page navigates meanwhile.

        `script` is a function of the element that `selector` names and of the argument, or of the
        argument alone where it reads the whole page.
        """
        attempts = 1
        while True:
            try:
                # Playwright applies no time limit to scripts.
                async with asyncio.timeout(self.remaining_ms() / 1000):
                    result = await self._evaluate_once(script, argument, selector)
            except TimeoutError:
                raise ActionFailed("timeout", "The page took too long.", retryable=True) from None
            except PlaywrightError as error:
                if _CONTEXT_DESTROYED not in error.message or attempts == _MAX_READS:
                    raise
            else:
                self.raise_for_error_page()
                return result
            attempts += 1
            await self.page.wait_for_load_state(timeout=self.remaining_ms())

    async def read_title(self) -> str:
        return str(await self.evaluate(_READ_TITLE, None))

    def raise_for_error_page(self) -> None:
        if self.page.url.startswith(_ERROR_PAGE_SCHEME):
            raise build_error_page_failure(self.visit.find_refusal())

    def build_metadata(self, title: str) -> PageMetadata:
        return {
            "url": self.params.url,
            "final_url": self.page.url,
            "status": self.response.status if self.response else None,
            "title": title,
            "timings": dict(self.visit.run.timings),
        }

    def remaining_ms(self) -> float:
        """Return at least 1: Playwright takes 0 for no limit."""
        return max(1.0, (self._deadline - asyncio.get_running_loop().time()) * 1000)

    async def _wait_for_selector(self, selector: str) -> None:
        try:
            await self.page.wait_for_selector(selector, timeout=self.remaining_ms())
        except PlaywrightTimeout as error:
            raise selector_not_found("wait_for_selector") from error

    async def _evaluate_once(self, script: str, argument: object, selector: str | None) -> Any:
        if selector is None:
            return await self.page.evaluate(script, argument)
        element = await self.page.query_selector(selector)
        if element is None:
            raise selector_not_found("selector")
        return await element.evaluate(script, argument)


def selector_not_found(parameter: str) -> ActionFailed:
    message = f"Nothing on the page matches {parameter}."
    return ActionFailed("selector_not_found", message, retryable=False)
