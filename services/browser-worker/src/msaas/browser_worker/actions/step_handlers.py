"""What each kind of step does to the page."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from playwright.async_api import Page

from msaas.browser_worker.actions.page_session import PageSession
from msaas.browser_worker.actions.page_values import get_text
from msaas.browser_worker.actions.rendering import get_pixel_ratio, take_full_page_screenshot
from msaas.contracts import Artifact, RunStepsParams, Step, normalise_text

_MAX_TEXT: Final = 20_000
_SCROLL_TO_END: Final = "() => window.scrollTo(0, document.documentElement.scrollHeight)"
_READ_ELEMENT: Final = """(element, name) => {
  const value = name ? element.getAttribute(name) : element.innerText ?? element.textContent;
  return value === null ? null : String(value).slice(0, 20000);
}"""


class StepNotPossible(Exception):
    """The page is as it should be, and the step cannot be done all the same."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class StepContext:
    """The page that steps work on, and what they have brought so far."""

    def __init__(self, session: PageSession, params: RunStepsParams) -> None:
        self.session = session
        self.params = params
        self.extracted: dict[str, str] = {}
        self.artifacts: list[Artifact] = []

    @property
    def page(self) -> Page:
        return self.session.page

    @property
    def timeout(self) -> float:
        return min(float(self.params.step_timeout_ms), self.session.remaining_ms())


async def execute_step(context: StepContext, step: Step) -> None:
    await _STEP_HANDLERS[step.do](context, step)


async def _goto(context: StepContext, step: Any) -> None:
    until = context.params.wait_until or "load"
    context.session.response = await context.page.goto(
        step.url, wait_until=until, timeout=context.timeout
    )


async def _click(context: StepContext, step: Any) -> None:
    count = 2 if step.double else 1
    await context.page.click(step.selector, click_count=count, timeout=context.timeout)


async def _fill(context: StepContext, step: Any) -> None:
    text = step.text
    if step.secret is not None:
        text = (context.params.secrets or {}).get(step.secret)
        if text is None:
            raise StepNotPossible(f"There is no secret {step.secret}.")
    await context.page.fill(step.selector, text, timeout=context.timeout)


async def _press(context: StepContext, step: Any) -> None:
    if step.selector is not None:
        await context.page.press(step.selector, step.key, timeout=context.timeout)
        return
    async with asyncio.timeout(context.timeout / 1000):
        await context.page.keyboard.press(step.key)


async def _select(context: StepContext, step: Any) -> None:
    await context.page.select_option(step.selector, list(step.values), timeout=context.timeout)


async def _check(context: StepContext, step: Any) -> None:
    await context.page.set_checked(step.selector, step.checked, timeout=context.timeout)


async def _hover(context: StepContext, step: Any) -> None:
    await context.page.hover(step.selector, timeout=context.timeout)


async def _scroll(context: StepContext, step: Any) -> None:
    if step.selector is None:
        async with asyncio.timeout(context.timeout / 1000):
            await context.session.evaluate(_SCROLL_TO_END, None)
        return
    await context.page.locator(step.selector).first.scroll_into_view_if_needed(
        timeout=context.timeout
    )


async def _wait_for(context: StepContext, step: Any) -> None:
    await context.page.wait_for_selector(step.selector, state=step.state, timeout=context.timeout)


async def _pause(_context: StepContext, step: Any) -> None:
    await asyncio.sleep(step.ms / 1000)


async def _extract(context: StepContext, step: Any) -> None:
    element = context.page.locator(step.selector).first
    await element.wait_for(state="attached", timeout=context.timeout)
    value = await context.session.evaluate(_READ_ELEMENT, step.attribute, step.selector)
    if value is None:
        raise StepNotPossible(f"It has no attribute {step.attribute}.")
    context.extracted[step.name] = normalise_text(get_text(value, _MAX_TEXT))


async def _screenshot(context: StepContext, step: Any) -> None:
    options: dict[str, Any] = {"type": "png", "animations": "disabled", "timeout": context.timeout}
    if step.full_page:
        ratio = get_pixel_ratio(context.params)
        image, _ = await take_full_page_screenshot(context.page, options, ratio)
    else:
        image = await context.page.screenshot(**options)
    name = f"screenshot-{len(context.artifacts) + 1}.png"
    run = context.session.visit.run
    context.artifacts.append(await run.save_artifact(name, image, "image/png"))


_STEP_HANDLERS: Final[Mapping[str, Callable[[StepContext, Any], Awaitable[None]]]] = (
    MappingProxyType(
        {
            "goto": _goto,
            "click": _click,
            "fill": _fill,
            "press": _press,
            "select": _select,
            "check": _check,
            "hover": _hover,
            "scroll": _scroll,
            "wait_for": _wait_for,
            "pause": _pause,
            "extract": _extract,
            "screenshot": _screenshot,
        }
    )
)
