"""A real browser: crashes, recycling and shutdown."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from browser_worker_support import (
    HAS_SANDBOX,
    BrowserHarness,
    FakeWebServer,
    StartHarness,
)

from msaas.browser_worker.browser.instance import BrowserUnavailable, ChromiumLauncher
from msaas.browser_worker.engine import Engine
from msaas.local.demo_site import DemoSite
from msaas.telemetry import Metrics
from msaas.testing import wait_until
from msaas.worker import ActionFailed
from msaas.worker.run_context import RunCancelled


def browsers() -> list[psutil.Process]:
    """List all driver, browser and renderer processes."""
    return [
        process for process in psutil.Process().children(recursive=True) if _is_browser(process)
    ]


def _is_browser(process: psutil.Process) -> bool:
    try:
        arguments = process.cmdline()
    except psutil.Error:
        return False
    return any("chrom" in argument or "run-driver" in argument for argument in arguments)


async def test_nothing_is_left_of_one_job_for_the_next(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    store = """<p id=f></p><script>
      document.getElementById("f").textContent = document.cookie + (localStorage.a ?? "nothing");
      document.cookie = "a=1"; localStorage.a = "kept";
    </script>"""
    url = web.add_page("/store", store, set_cookie="b=2; Path=/")
    first = await harness.visit(url)
    second = await harness.visit(url)
    assert first.text == second.text == "b=2nothing"


async def test_a_browser_that_is_killed_fails_its_jobs_and_no_others(
    harness: BrowserHarness, site: DemoSite
) -> None:
    slow = [asyncio.create_task(harness.visit(f"{site.url}/slow?ms=20000")) for _ in range(2)]
    await wait_until(lambda: harness.get_metric("jobs_browser_contexts") == 2)
    os.killpg(harness.browser_pid, signal.SIGKILL)
    for task in slow:
        with pytest.raises(ActionFailed) as failed:
            await task
        assert (failed.value.reason, failed.value.may_retry) == ("browser_unavailable", True)
    assert (await harness.visit(f"{site.url}/")).status == 200
    assert harness.get_metric("jobs_browser_recycles_total", reason="ended") == 1
    assert harness.get_metric("circuit_state", target="playwright") == 0


async def test_a_driver_that_is_killed_is_replaced_with_its_browser(
    harness: BrowserHarness, site: DemoSite
) -> None:
    [driver] = [process for process in browsers() if "run-driver" in process.cmdline()]
    slow = asyncio.create_task(harness.visit(f"{site.url}/slow?ms=20000"))
    await wait_until(lambda: harness.get_metric("jobs_browser_contexts") == 1)
    driver.kill()
    with pytest.raises(ActionFailed) as failed:
        await slow
    assert failed.value.reason == "browser_unavailable"
    assert (await harness.visit(f"{site.url}/")).status == 200


async def test_a_job_that_waits_for_a_context_is_pending(
    start_harness: StartHarness, site: DemoSite
) -> None:
    harness = await start_harness(slots=1)
    slow = [asyncio.create_task(harness.visit(f"{site.url}/slow?ms=300")) for _ in range(2)]
    await wait_until(lambda: harness.get_metric("jobs_browser_pending_messages") == 2)
    assert harness.get_metric("jobs_browser_contexts") in {0, 1}
    assert [(await task).status for task in slow] == [200, 200]
    assert harness.get_metric("jobs_browser_pending_messages") == 0


async def test_a_page_is_ready_for_one_plain_job_and_for_no_other(
    harness: BrowserHarness, site: DemoSite
) -> None:
    await harness.visit(f"{site.url}/")
    await wait_until(lambda: len(harness.list_page_processes()) == 1)
    [ready] = harness.list_page_processes()
    await harness.visit(f"{site.url}/", locale="de-DE")
    await wait_until(lambda: harness.list_page_processes() == {ready})
    plain = asyncio.create_task(harness.visit(f"{site.url}/slow?ms=500"))
    await wait_until(lambda: harness.last_run and "open" in harness.last_run.timings)
    assert harness.list_page_processes() == {ready}
    assert (await plain).status == 200
    await wait_until(lambda: len(harness.list_page_processes()) == 1)
    assert ready not in harness.list_page_processes()


async def test_recycling_interrupts_no_job(start_harness: StartHarness, site: DemoSite) -> None:
    harness = await start_harness(slots=2, recycle_after=3)
    slow = asyncio.create_task(harness.visit(f"{site.url}/slow?ms=3000"))
    await wait_until(lambda: harness.get_metric("jobs_browser_contexts") == 1)
    for _ in range(6):
        assert (await harness.visit(f"{site.url}/")).status == 200
    assert (await slow).status == 200
    assert harness.get_metric("jobs_browser_recycles_total", reason="jobs") == 2
    await wait_until(lambda: len([p for p in browsers() if "run-driver" in p.cmdline()]) == 1)


async def test_a_browser_that_hangs_is_killed_in_the_end(
    start_harness: StartHarness, site: DemoSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = await start_harness()
    hung = harness.browser_pid
    os.killpg(hung, signal.SIGSTOP)
    with monkeypatch.context() as impatient:
        impatient.setattr("msaas.browser_worker.browser.instance.CLOSE_SECONDS", 0.5)
        impatient.setattr("msaas.browser_worker.browser.instance.OPEN_PAGE_SECONDS", 0.5)
        with pytest.raises(ActionFailed) as failed:
            await harness.visit(f"{site.url}/")
    assert failed.value.reason == "browser_unavailable"
    assert (await harness.visit(f"{site.url}/")).status == 200
    await wait_until(lambda: not psutil.pid_exists(hung))
    assert harness.get_metric("jobs_browser_recycles_total", reason="worn") == 1


@pytest.mark.skipif(not HAS_SANDBOX, reason="root's browser has no sandbox")
async def test_the_processes_of_pages_are_in_the_sandbox(harness: BrowserHarness) -> None:
    async with harness.engine.open_page():
        pages = harness.list_page_processes()
        assert pages
        assert all(map(is_in_sandbox, pages))


def is_in_sandbox(pid: int) -> bool:
    """Return whether the kernel filters the system calls of a process."""
    return "\nSeccomp:\t2\n" in Path(f"/proc/{pid}/status").read_text()


async def test_a_browser_that_cannot_start_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(BrowserUnavailable):
        await ChromiumLauncher(chromium=tmp_path / "none")()
    await wait_until(lambda: not browsers())


async def test_the_browser_does_not_inherit_the_environment(
    start_harness: StartHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@127.0.0.1")
    harness = await start_harness()
    environment = psutil.Process(harness.browser_pid).environ()
    assert "hunter2" not in str(environment)


async def test_cancelling_a_visit_closes_its_context(
    harness: BrowserHarness, site: DemoSite
) -> None:
    visit = asyncio.create_task(harness.visit(f"{site.url}/slow?ms=20000"))
    await wait_until(lambda: harness.get_metric("jobs_browser_contexts") == 1)
    visit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await visit
    assert harness.get_metric("jobs_browser_contexts") == 0
    # On a loaded machine closing may time out; then the browser is replaced.
    await wait_until(lambda: harness.browser.contexts == [])
    assert (
        harness.get_metric(
            "jobs_browser_total", task_type=harness.run.envelope.task_type, outcome="ended"
        )
        == 1
    )


async def test_a_page_that_is_cancelled_at_any_moment_leaves_no_context(
    harness: BrowserHarness,
) -> None:
    async def hold() -> None:
        async with harness.engine.open_page():
            await asyncio.Event().wait()

    for moment in range(30):
        page = asyncio.create_task(hold())
        await asyncio.sleep(moment / 1_000)
        page.cancel()
        with pytest.raises(asyncio.CancelledError):
            await page
    session: Any = await harness.browser.new_browser_cdp_session()
    left = await session.send("Target.getBrowserContexts")
    assert left["browserContextIds"] == []


async def test_a_cancelled_job_takes_no_further_step(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    url = web.add_page("/", "<p>here</p>")
    with pytest.raises(RunCancelled):
        await harness.visit(url, is_cancelled=lambda: bool(web.requests))
    assert harness.run.timings.keys() == {"open", "goto"}
    assert harness.get_metric("circuit_state", target="playwright") == 0


async def test_with_the_engine_all_its_processes_end(chromium_path: Path, site: DemoSite) -> None:
    metrics = Metrics("test", "test")
    launch = ChromiumLauncher(chromium=chromium_path, sandbox=HAS_SANDBOX)
    async with Engine(launch, slots=1, recycle_after=1, metrics=metrics) as engine:
        for _ in range(3):
            async with engine.open_page() as page:
                await page.goto("about:blank")
        assert len(browsers()) > 2
    await wait_until(lambda: browsers() == [])
