"""What is switched off fails at once, and nothing else does."""

import pytest

from msaas.browser_worker.config import Settings
from msaas.browser_worker.flags import FlaggedAction, FlagsOff
from msaas.contracts import TASKS, EchoParams, EchoResult, Progress
from msaas.kernel import SystemClock
from msaas.settings import load
from msaas.testing import build_job_envelope
from msaas.worker import ActionFailed, Run

LINKS = "extract_links"
OFF = "FF_BROWSER_TASK_EXTRACT_LINKS_ENABLED"
GIVEN = {"ENVIRONMENT": "test", "REDIS_URL": "redis://127.0.0.1"}


class Answering:
    async def run(self, run: Run) -> EchoResult:
        return EchoResult(message="done")


def run() -> Run:
    async def tell(_progress: Progress) -> None: ...

    async def is_cancelled() -> bool:
        return False

    return Run(
        build_job_envelope(),
        EchoParams(message="x"),
        clock=SystemClock(),
        seconds=1,
        tell=tell,
        is_cancelled=is_cancelled,
    )


def test_the_settings_have_a_flag_for_each_task_of_the_browser() -> None:
    flags = {flag for task in TASKS.values() for flag in task.flags if "BROWSER" in flag}
    assert {name for name in Settings.variables() if name.startswith("FF_")} == flags
    assert load(Settings, GIVEN).list_flags_off() == frozenset()
    assert load(Settings, GIVEN | {OFF: "false"}).list_flags_off() == {OFF}


@pytest.mark.parametrize("flag", [OFF, "FF_BROWSER_WORKER_ENABLED"])
async def test_a_task_that_is_off_fails_for_good_and_says_so(flag: str) -> None:
    off = FlagsOff(frozenset({flag}))
    with pytest.raises(ActionFailed) as failed:
        await FlaggedAction(Answering(), LINKS, off).run(run())
    assert (failed.value.reason, failed.value.may_retry) == ("feature_flag_disabled", False)


async def test_another_flag_stops_nobody() -> None:
    on = FlagsOff(frozenset({"FF_BROWSER_TASK_RENDER_PDF_ENABLED"}))
    assert await FlaggedAction(Answering(), LINKS, on).run(run()) == EchoResult(message="done")
