"""The first steps of every visit: open the page, wait for it, and read it."""

import asyncio
from typing import Any, Final, TypedDict
from uuid import uuid4

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Response
from playwright.async_api import TimeoutError as PlaywrightTimeout

from msaas.browser_worker.actions.base import Visit
from msaas.browser_worker.actions.page_values import (
    MAX_TITLE,
    build_unreadable,
    get_items,
    get_text,
)
from msaas.browser_worker.browser.isolated_world import IsolatedWorld, ScriptFailed, is_lost_context
from msaas.browser_worker.failures import build_error_page_failure
from msaas.contracts import PageParams
from msaas.worker import ActionFailed

DEFAULT_TIMEOUT_MS: Final = 30_000
# Reserved at the end of the run's time, to report a failure.
_REPORTING_SECONDS: Final = 0.5
# A page that navigates while it is read is read again.
_MAX_READS: Final = 3
_ERROR_PAGE_SCHEME: Final = "chrome-error:"
_READ_TITLE: Final = "() => String(document.title).slice(0, 1000)"
# Finds the first match in the document and in its open shadow trees.
_FIND_ELEMENT: Final = """selector => {
  const isPath = /^[(.]*\\/\\//.test(selector);
  if (isPath) {
    const first = XPathResult.FIRST_ORDERED_NODE_TYPE;
    return document.evaluate(selector, document, null, first, null).singleNodeValue;
  }
  const find = root => {
    const found = root.querySelector(selector);
    if (found) return found;
    for (const host of root.querySelectorAll("*")) {
      const inner = host.shadowRoot && find(host.shadowRoot);
      if (inner) return inner;
    }
    return null;
  };
  return find(document);
}"""
_CALL_WITH_ELEMENT: Final = """(selector, argument, mark) => {
  let element;
  try { element = (%s)(mark ?? selector); } catch { return "invalid"; }
  if (element === null) return "missing";
  if (mark !== null) element.removeAttribute("data-msaas-found");
  return [(%s)(element, argument)];
}"""
_MARK: Final = """(element, mark) => {
  try { element.setAttribute("data-msaas-found", mark); } catch {}
}"""


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
        self._world = IsolatedWorld(visit.page)
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
        """Evaluate a script in a world of its own, again where the page navigates meanwhile.

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
                if not is_lost_context(error) or attempts == _MAX_READS:
                    raise
            except ScriptFailed:
                raise build_unreadable() from None
            else:
                self.raise_for_error_page()
                return result
            attempts += 1
            await self.page.wait_for_load_state(timeout=self.remaining_ms())

    async def read_title(self) -> str:
        return get_text(await self.evaluate(_READ_TITLE, None), MAX_TITLE)

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
            function = f"argument => [({script})(argument)]"
            found = await self._world.call(function, argument)
        else:
            found = await self._evaluate_with_element(script, argument, selector)
        if found == "missing":
            raise selector_not_found("selector")
        [result] = get_items(found, 1) or [None]
        return result

    async def _evaluate_with_element(self, script: str, argument: object, selector: str) -> Any:
        function = _CALL_WITH_ELEMENT % (_FIND_ELEMENT, script)
        found = await self._world.call(function, selector, argument, None)
        if found != "invalid":
            return found
        # Playwright knows more selectors than the engine: it marks the element for our script.
        element = await self.page.query_selector(selector)
        if element is None:
            return "missing"
        mark = uuid4().hex
        await element.evaluate(_MARK, mark)
        marked = f'[data-msaas-found="{mark}"]'
        return await self._world.call(function, selector, argument, marked)


def selector_not_found(parameter: str) -> ActionFailed:
    message = f"Nothing on the page matches {parameter}."
    return ActionFailed("selector_not_found", message, retryable=False)
