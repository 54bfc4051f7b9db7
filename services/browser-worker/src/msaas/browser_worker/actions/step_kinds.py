"""What each kind of step does to the page."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from playwright.async_api import Page

from msaas.browser_worker.actions.drawing import draw_all_of
from msaas.browser_worker.actions.opening import Opening
from msaas.contracts import Artifact, RunStepsParams, Step, normalise_text

_MOST_TEXT: Final = 20_000
_TO_THE_END: Final = "() => window.scrollTo(0, document.documentElement.scrollHeight)"
_READ: Final = """(element, name) => {
  const value = name ? element.getAttribute(name) : element.innerText ?? element.textContent;
  return value === null ? null : String(value).slice(0, 20000);
}"""


class StepImpossible(Exception):
    """The page is as it should be, and the step cannot be done all the same."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Stage:
    """The page that steps work on, and what they have brought so far."""

    def __init__(self, opening: Opening, params: RunStepsParams) -> None:
        self.opening = opening
        self.params = params
        self.extracted: dict[str, str] = {}
        self.artifacts: list[Artifact] = []

    @property
    def page(self) -> Page:
        return self.opening.page

    @property
    def timeout(self) -> float:
        return min(float(self.params.step_timeout_ms), self.opening.left_ms())


async def carry_out(stage: Stage, step: Step) -> None:
    await _KINDS[step.do](stage, step)


async def _goto(stage: Stage, step: Any) -> None:
    until = stage.params.wait_until or "load"
    stage.opening.response = await stage.page.goto(
        step.url, wait_until=until, timeout=stage.timeout
    )


async def _click(stage: Stage, step: Any) -> None:
    count = 2 if step.double else 1
    await stage.page.click(step.selector, click_count=count, timeout=stage.timeout)


async def _fill(stage: Stage, step: Any) -> None:
    text = step.text
    if step.secret is not None:
        text = (stage.params.secrets or {}).get(step.secret)
        if text is None:
            raise StepImpossible(f"There is no secret {step.secret}.")
    await stage.page.fill(step.selector, text, timeout=stage.timeout)


async def _press(stage: Stage, step: Any) -> None:
    if step.selector is not None:
        await stage.page.press(step.selector, step.key, timeout=stage.timeout)
        return
    async with asyncio.timeout(stage.timeout / 1000):
        await stage.page.keyboard.press(step.key)


async def _select(stage: Stage, step: Any) -> None:
    await stage.page.select_option(step.selector, list(step.values), timeout=stage.timeout)


async def _check(stage: Stage, step: Any) -> None:
    await stage.page.set_checked(step.selector, step.checked, timeout=stage.timeout)


async def _hover(stage: Stage, step: Any) -> None:
    await stage.page.hover(step.selector, timeout=stage.timeout)


async def _scroll(stage: Stage, step: Any) -> None:
    if step.selector is None:
        async with asyncio.timeout(stage.timeout / 1000):
            await stage.page.evaluate(_TO_THE_END)
        return
    await stage.page.locator(step.selector).first.scroll_into_view_if_needed(timeout=stage.timeout)


async def _wait_for(stage: Stage, step: Any) -> None:
    await stage.page.wait_for_selector(step.selector, state=step.state, timeout=stage.timeout)


async def _pause(_stage: Stage, step: Any) -> None:
    await asyncio.sleep(step.ms / 1000)


async def _extract(stage: Stage, step: Any) -> None:
    element = stage.page.locator(step.selector).first
    value = await element.evaluate(_READ, step.attribute, timeout=stage.timeout)
    if value is None:
        raise StepImpossible(f"It has no attribute {step.attribute}.")
    stage.extracted[step.name] = normalise_text(str(value), _MOST_TEXT)


async def _screenshot(stage: Stage, step: Any) -> None:
    options: dict[str, Any] = {"type": "png", "animations": "disabled", "timeout": stage.timeout}
    if step.full_page:
        picture, _ = await draw_all_of(stage.page, options)
    else:
        picture = await stage.page.screenshot(**options)
    name = f"screenshot-{len(stage.artifacts) + 1}.png"
    run = stage.opening.visit.run
    stage.artifacts.append(await run.keep(name, picture, "image/png"))


_KINDS: Final[Mapping[str, Callable[[Stage, Any], Awaitable[None]]]] = MappingProxyType(
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
