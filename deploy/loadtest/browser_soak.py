"""Runs many jobs, some of them on hostile pages, and checks that they leak no resources.

The browser contexts, processes, temporary files and sockets after the run are compared with those
of the warm, idle engine before it.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import psutil
from browser_fixtures import BrowserFixture, open_fixture
from measured_processes import list_family

from msaas.browser_worker.limits import MEGABYTE, Limits
from msaas.local.sites import LocalSite
from msaas.worker import ActionFailed

SLOTS: Final = 2
HOSTILE_EVERY: Final = 10
TIMEOUT_MS: Final = 3_000
# A visit also waits for a context.
MAX_SECONDS: Final = 10.0
SETTLE_SECONDS: Final = 30.0
LIMITS: Final = Limits(received=16 * MEGABYTE, nodes=200_000, memory=400 * MEGABYTE)
NORMAL_PATHS: Final = ("/", "/article", "/list?page=2", "/form", "/late", "/redirect", "/nowhere")
HOSTILE_PATHS: Final = (
    *("/redirects/999", "/drip", "/silent", "/endless", "/huge", "/bomb", "/loop-at-once"),
    *("/alerts", "/popups", "/metadata", "/grow", "/hoard", "/hoard-at-once", "/reloads"),
    *("/service-worker", "/remember", "/download", "/downloads", "/endless-file", "/auth"),
    *("/schemes", "/unclosed", "/many", "/short", "/not-packed", "/huge-head", "/status/503"),
    *("/reach?host=127.0.0.1&port=6379", "/away?to=http://169.254.169.254/", "/utf16-as-utf8"),
)


@dataclass(frozen=True, kw_only=True)
class VisitResult:
    is_hostile: bool
    outcome: str
    seconds: float


def open_hostile_site() -> LocalSite:
    """Import the site from the browser worker's tests, which are no installed package."""
    sys.path.append(str(Path(__file__).parents[2] / "services/browser-worker/tests/support"))
    from hostile_site.server import HostileSite

    return HostileSite()


async def visit(fixture: BrowserFixture, hostile: LocalSite, number: int) -> VisitResult:
    is_hostile = number % HOSTILE_EVERY == 0
    site, paths = (hostile, HOSTILE_PATHS) if is_hostile else (fixture.site, NORMAL_PATHS)
    path = paths[number // (HOSTILE_EVERY if is_hostile else 1) % len(paths)]
    began, outcome = time.monotonic(), "succeeded"
    try:
        await fixture.visit(f"{site.url}{path}", TIMEOUT_MS if is_hostile else 30_000)
    except ActionFailed as failed:
        outcome = failed.reason
    return VisitResult(is_hostile=is_hostile, outcome=outcome, seconds=time.monotonic() - began)


async def run_all(fixture: BrowserFixture, hostile: LocalSite, jobs: int) -> Sequence[VisitResult]:
    numbers = iter(range(1, jobs + 1))

    async def work() -> Sequence[VisitResult]:
        return [await visit(fixture, hostile, number) for number in numbers]

    return [
        result
        for results in await asyncio.gather(*(work() for _ in range(SLOTS)))
        for result in results
    ]


async def count_resources(fixture: BrowserFixture) -> Mapping[str, int]:
    """Count the resources that a job could leak."""
    browser = cast("Any", fixture.engine)._instance._browser  # noqa: SLF001  # only Chromium can count its contexts
    session = await browser.new_browser_cdp_session()
    contexts = await session.send("Target.getBrowserContexts")
    await session.detach()
    family = list_family()
    return {
        "contexts": len(contexts["browserContextIds"]),
        "processes": len(family),
        "temporary files": len(list_temporary()),
        "sockets": sum(map(count_sockets, family)),
    }


@contextmanager
def own_temporary_folder() -> Generator[None]:
    """Give driver and browser a temporary folder of their own."""
    former = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = None
            if former is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = former


def list_temporary() -> Sequence[Path]:
    return list(Path(tempfile.gettempdir()).iterdir())


def count_sockets(process: psutil.Process) -> int:
    """Count open sockets, without those that the system keeps after closing."""
    with suppress(psutil.Error):
        connections = process.net_connections(kind="tcp")
        in_use = {psutil.CONN_ESTABLISHED, psutil.CONN_LISTEN}
        return sum(connection.status in in_use for connection in connections)
    return 0


async def wait_for_cleanup(fixture: BrowserFixture, before: Mapping[str, int]) -> Mapping[str, int]:
    """Wait until nothing is leaked, or the time is up."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        current = await count_resources(fixture)
        if not find_leaks(before, current) or time.monotonic() > deadline:
            return current
        await asyncio.sleep(0.5)


def find_leaks(before: Mapping[str, int], after: Mapping[str, int]) -> Sequence[str]:
    return [name for name in before if after[name] > before[name]]


async def soak(jobs: int) -> bool:
    async with AsyncExitStack() as stack:
        hostile = stack.enter_context(open_hostile_site())
        fixture = await stack.enter_async_context(open_fixture(SLOTS, [hostile.address], LIMITS))
        for _ in range(3):
            await fixture.visit(f"{fixture.site.url}/", 30_000)
        await asyncio.sleep(2)  # connections that are kept alive are closed
        before = await count_resources(fixture)
        began = time.monotonic()
        results = await run_all(fixture, hostile, jobs)
        seconds = time.monotonic() - began
        after = await wait_for_cleanup(fixture, before)
    left = {
        "processes": len(list_family()) - 1,
        "temporary files": len(list_temporary()),
    }
    print_results(results, seconds)
    return is_clean(results, before, after, left)


def print_results(results: Sequence[VisitResult], seconds: float) -> None:
    print(f"{len(results)} jobs in {seconds:.0f} s, {SLOTS} at once")
    for is_hostile, title in ((False, "demo site"), (True, "hostile site")):
        group = [result for result in results if result.is_hostile is is_hostile]
        outcomes = Counter(result.outcome for result in group)
        longest = max((result.seconds for result in group), default=0.0)
        counts = ", ".join(f"{name} {count}" for name, count in outcomes.most_common())
        print(f"{title:16}{counts}; longest {longest:.1f} s")


def is_clean(
    results: Sequence[VisitResult],
    before: Mapping[str, int],
    after: Mapping[str, int],
    left: Mapping[str, int],
) -> bool:
    print(f"{'':20}{'idle before':>12}{'idle after':>12}{'at the end':>12}")
    for name in before:
        end = str(left[name]) if name in left else ""
        print(f"{name:20}{before[name]:>12}{after[name]:>12}{end:>12}")
    faults = [
        *(f"{name} leaked" for name in find_leaks(before, after)),
        *(f"{name} left at the end" for name, count in left.items() if count > 0),
        *(
            f"a normal page ended as {result.outcome}"
            for result in results
            if not result.is_hostile and result.outcome != "succeeded"
        ),
        *(
            f"a hostile page took {result.seconds:.1f} s"
            for result in results
            if result.is_hostile and result.seconds > MAX_SECONDS
        ),
    ]
    print("\n".join(faults) or "soak: nothing leaked")
    return not faults
