"""Opens a page and works on it, one step after the other."""

import asyncio
import time
from contextlib import suppress
from typing import Final

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.actions.opening import Opening
from msaas.browser_worker.actions.step_kinds import Stage, StepImpossible, carry_out
from msaas.browser_worker.failures import explain
from msaas.contracts import RunStepsParams, RunStepsResult, Step, StepDone
from msaas.worker import ActionFailed

FAILURE_PICTURE: Final = "failure.png"
_PICTURE_SECONDS: Final = 5.0


class RunStepsAction(BrowserAction):
    """A job that fails leaves a picture of where, and in its timeline every step until then."""

    needs_pictures = True

    async def visit(self, visit: Visit) -> RunStepsResult:
        params = visit.get_params(RunStepsParams)
        # What is left of the task's time is for the steps, whatever one page may take.
        opening = Opening(visit, params, default_ms=round(visit.run.seconds_left() * 1000))
        stage = Stage(opening, params)
        await opening.open()
        opening.refuse_lost_page()
        done = [
            await _take(stage, number, step) for number, step in enumerate(params.steps, start=1)
        ]
        title = await opening.read_title()
        return RunStepsResult(
            **opening.tell(title),
            steps=tuple(done),
            extracted=stage.extracted,
            artifacts=tuple(stage.artifacts),
        )


async def _take(stage: Stage, number: int, step: Step) -> StepDone:
    began = time.monotonic()
    visit = stage.opening.visit
    count = len(stage.params.steps)
    await visit.run.progress(100 * (number - 1) // count, f"step {number} of {count}: {step.do}")
    try:
        async with visit.step(f"step_{number:02}"):
            await carry_out(stage, step)
            stage.opening.refuse_lost_page()
    except (ActionFailed, StepImpossible, PlaywrightError) as error:
        await _keep_picture(stage)
        raise await _explain(stage, number, step, error) from error
    took = round((time.monotonic() - began) * 1000)
    return StepDone(number=number, do=step.do, took_ms=took)


async def _explain(
    stage: Stage, number: int, step: Step, error: ActionFailed | StepImpossible | PlaywrightError
) -> ActionFailed:
    reason, words, retryable = "step_failed", "", False
    if isinstance(error, StepImpossible):
        words = error.words
    elif isinstance(error, PlaywrightTimeout) and await _is_missing(stage, step):
        reason, words = "selector_not_found", "Nothing on the page matches its selector."
    else:
        known = error if isinstance(error, ActionFailed) else _explain_page(stage, error)
        reason, words, retryable = known.reason, known.safe_message, known.may_retry
    return ActionFailed(reason, f"Step {number} ({step.do}): {words}", retryable=retryable)


def _explain_page(stage: Stage, error: PlaywrightError) -> ActionFailed:
    if isinstance(error, PlaywrightTimeout):
        return ActionFailed("timeout", "It was not ready in time.", retryable=True)
    return explain(error, stage.opening.visit.find_refusal())


async def _is_missing(stage: Stage, step: Step) -> bool:
    selector = getattr(step, "selector", None)
    if selector is None:
        return False
    try:
        async with asyncio.timeout(1):
            return await stage.opening.page.query_selector(selector) is None
    except (PlaywrightError, TimeoutError):
        return False


async def _keep_picture(stage: Stage) -> None:
    """Try to: the failure is told in any case."""
    run = stage.opening.visit.run
    if FAILURE_PICTURE not in run.envelope.meta.uploads:
        return
    with suppress(PlaywrightError, ActionFailed, TimeoutError):
        async with asyncio.timeout(min(_PICTURE_SECONDS, run.seconds_left() / 2)):
            picture = await stage.opening.page.screenshot(type="png")
            await run.keep(FAILURE_PICTURE, picture, "image/png")
