"""What is switched off fails at once, and nothing else does."""

import pytest

from msaas.browser_worker.config import Settings
from msaas.browser_worker.flags import FlaggedAction, StaticFlags
from msaas.contracts import TASKS, EchoParams, EchoResult, Progress
from msaas.kernel import SystemClock
from msaas.settings import load_settings
from msaas.testing import build_job_envelope
from msaas.worker import ActionFailed, RunContext

LINKS = "extract_links"
OFF = "FF_BROWSER_TASK_EXTRACT_LINKS_ENABLED"
GIVEN = {"ENVIRONMENT": "test", "REDIS_URL": "redis://127.0.0.1"}


class Answering:
    async def run(self, run: RunContext) -> EchoResult:
        return EchoResult(message="done")


def run() -> RunContext:
    async def tell(_progress: Progress) -> None: ...

    async def is_cancelled() -> bool:
        return False

    return RunContext(
        build_job_envelope(),
        EchoParams(message="x"),
        clock=SystemClock(),
        timeout=1,
        send_progress=tell,
        is_cancelled=is_cancelled,
    )


def test_the_settings_have_a_flag_for_each_task_of_the_browser() -> None:
    flags = {flag for task in TASKS.values() for flag in task.flags if "BROWSER" in flag}
    assert {name for name in Settings.variables() if name.startswith("FF_")} == flags
    assert load_settings(Settings, GIVEN).list_disabled_flags() == frozenset()
    assert load_settings(Settings, GIVEN | {OFF: "false"}).list_disabled_flags() == {OFF}


@pytest.mark.parametrize("flag", [OFF, "FF_BROWSER_WORKER_ENABLED"])
async def test_a_task_that_is_off_fails_for_good_and_says_so(flag: str) -> None:
    off = StaticFlags(frozenset({flag}))
    with pytest.raises(ActionFailed) as failed:
        await FlaggedAction(Answering(), LINKS, off).run(run())
    assert (failed.value.reason, failed.value.may_retry) == ("feature_flag_disabled", False)


async def test_another_flag_stops_nobody() -> None:
    on = StaticFlags(frozenset({"FF_BROWSER_TASK_RENDER_PDF_ENABLED"}))
    assert await FlaggedAction(Answering(), LINKS, on).run(run()) == EchoResult(message="done")
