"""Opens a page and works on it, one step after the other."""

import asyncio
import time
from contextlib import suppress
from typing import Final

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.actions.page_session import PageSession
from msaas.browser_worker.actions.step_handlers import StepContext, StepNotPossible, execute_step
from msaas.browser_worker.failures import build_failure
from msaas.contracts import RunStepsParams, RunStepsResult, Step, StepDone
from msaas.worker import ActionFailed

FAILURE_SCREENSHOT: Final = "failure.png"
_SCREENSHOT_SECONDS: Final = 5.0


class RunStepsAction(BrowserAction):
    """A job that fails stores a screenshot, and its timeline has every step up to the failure."""

    task_type = "run_steps"
    needs_images = True

    async def visit(self, visit: Visit) -> RunStepsResult:
        params = visit.get_params(RunStepsParams)
        # The steps may use all of the remaining time of the task.
        session = PageSession(visit, params, default_ms=round(visit.run.seconds_left() * 1000))
        context = StepContext(session, params)
        await session.open()
        session.raise_for_error_page()
        done = [
            await _run_step(context, number, step)
            for number, step in enumerate(params.steps, start=1)
        ]
        title = await session.read_title()
        return RunStepsResult(
            **session.build_metadata(title),
            steps=tuple(done),
            extracted=context.extracted,
            artifacts=tuple(context.artifacts),
        )


async def _run_step(context: StepContext, number: int, step: Step) -> StepDone:
    started = time.monotonic()
    visit = context.session.visit
    count = len(context.params.steps)
    await visit.run.report_progress(
        100 * (number - 1) // count, f"step {number} of {count}: {step.do}"
    )
    try:
        async with visit.step(f"step_{number:02}"):
            await execute_step(context, step)
            context.session.raise_for_error_page()
    except (ActionFailed, StepNotPossible, PlaywrightError) as error:
        await _save_failure_screenshot(context)
        raise await _build_step_failure(context, number, step, error) from error
    took_ms = round((time.monotonic() - started) * 1000)
    return StepDone(number=number, do=step.do, took_ms=took_ms)


async def _build_step_failure(
    context: StepContext,
    number: int,
    step: Step,
    error: ActionFailed | StepNotPossible | PlaywrightError,
) -> ActionFailed:
    reason, message, retryable = "step_failed", "", False
    if isinstance(error, StepNotPossible):
        message = error.message
    elif isinstance(error, PlaywrightTimeout) and await _is_selector_missing(context, step):
        reason, message = "selector_not_found", "Nothing on the page matches its selector."
    else:
        failure = error if isinstance(error, ActionFailed) else _build_page_failure(context, error)
        reason, message, retryable = failure.reason, failure.safe_message, failure.may_retry
    return ActionFailed(reason, f"Step {number} ({step.do}): {message}", retryable=retryable)


def _build_page_failure(context: StepContext, error: PlaywrightError) -> ActionFailed:
    if isinstance(error, PlaywrightTimeout):
        return ActionFailed("timeout", "It was not ready in time.", retryable=True)
    return build_failure(error, context.session.visit.find_refusal())


async def _is_selector_missing(context: StepContext, step: Step) -> bool:
    selector = getattr(step, "selector", None)
    if selector is None:
        return False
    try:
        async with asyncio.timeout(1):
            return await context.session.page.query_selector(selector) is None
    except (PlaywrightError, TimeoutError):
        return False


async def _save_failure_screenshot(context: StepContext) -> None:
    """Try to store a screenshot; the failure is reported in any case."""
    run = context.session.visit.run
    if FAILURE_SCREENSHOT not in run.envelope.meta.uploads:
        return
    with suppress(PlaywrightError, ActionFailed, TimeoutError):
        async with asyncio.timeout(min(_SCREENSHOT_SECONDS, run.seconds_left() / 2)):
            screenshot = await context.session.page.screenshot(type="png")
            await run.save_artifact(FAILURE_SCREENSHOT, screenshot, "image/png")
