"""Many mixed jobs, some of them on pages that mean harm; afterwards nothing of them may be left.

What is counted is compared with what was there when the engine was warm and idle: contexts by the
browser's own word, processes, files in the temporary folder, sockets of the worker and the browser.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import psutil

from msaas.browser_worker.browser.instance import ChromiumLauncher
from msaas.browser_worker.egress.policy import EgressPolicy
from msaas.browser_worker.egress.proxy import EgressProxyFactory
from msaas.browser_worker.engine import Engine
from msaas.browser_worker.limits import MEGABYTE, Limits
from msaas.browser_worker.run import make_actions
from msaas.contracts import NavigateAndExtractTextParams, Progress
from msaas.kernel import SystemClock
from msaas.local.chromium import ensure_chromium
from msaas.local.demo_site import DemoSite
from msaas.local.sites import LocalSite
from msaas.telemetry import Metrics
from msaas.testing import build_job_envelope
from msaas.worker import Action, ActionFailed, RunContext

TASK: Final = "navigate_and_extract_text"
SLOTS: Final = 2
HOSTILE_EVERY: Final = 10
TIMEOUT_MS: Final = 3_000
# Beside their own time visits wait for a context, and for the machine.
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
class SoakEnvironment:
    """Where the jobs run."""

    engine: Engine
    metrics: Metrics
    action: Action
    demo: str
    hostile: str


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


@asynccontextmanager
async def open_environment() -> AsyncGenerator[SoakEnvironment]:
    metrics = Metrics("soak", "bench")
    async with AsyncExitStack() as stack:
        demo, hostile = stack.enter_context(DemoSite()), stack.enter_context(open_hostile_site())
        egress_guard = EgressProxyFactory(
            EgressPolicy((demo.address, hostile.address)), metrics, limits=LIMITS
        )
        egress = await stack.enter_async_context(egress_guard)
        launch = ChromiumLauncher(
            chromium=ensure_chromium(print), sandbox=os.geteuid() != 0, max_memory=LIMITS.memory
        )
        engine = Engine(launch, slots=SLOTS, recycle_after=500, metrics=metrics)
        await stack.enter_async_context(engine)
        action = make_actions(engine, egress, metrics)[TASK]
        yield SoakEnvironment(
            engine=engine, metrics=metrics, action=action, demo=demo.url, hostile=hostile.url
        )


async def visit(environment: SoakEnvironment, number: int) -> VisitResult:
    is_hostile = number % HOSTILE_EVERY == 0
    site, paths = (
        (environment.hostile, HOSTILE_PATHS) if is_hostile else (environment.demo, NORMAL_PATHS)
    )
    path = paths[number // (HOSTILE_EVERY if is_hostile else 1) % len(paths)]
    began, outcome = time.monotonic(), "succeeded"
    try:
        await environment.action.run(
            build_run(f"{site}{path}", TIMEOUT_MS if is_hostile else 30_000)
        )
    except ActionFailed as failed:
        outcome = failed.reason
    return VisitResult(is_hostile=is_hostile, outcome=outcome, seconds=time.monotonic() - began)


def build_run(url: str, timeout_ms: int) -> RunContext:
    async def tell(_progress: Progress) -> None: ...

    async def is_cancelled() -> bool:
        return False

    return RunContext(
        build_job_envelope(task_type=TASK),
        NavigateAndExtractTextParams(url=url, timeout_ms=timeout_ms),
        clock=SystemClock(),
        timeout=60,
        send_progress=tell,
        is_cancelled=is_cancelled,
    )


async def run_all(environment: SoakEnvironment, jobs: int) -> Sequence[VisitResult]:
    numbers = iter(range(1, jobs + 1))

    async def work() -> Sequence[VisitResult]:
        return [await visit(environment, number) for number in numbers]

    return [came for each in await asyncio.gather(*(work() for _ in range(SLOTS))) for came in each]


async def count_resources(environment: SoakEnvironment) -> Mapping[str, int]:
    """Count what a job might leave behind."""
    browser = cast("Any", environment.engine)._life._browser  # noqa: SLF001  # it knows what it holds
    session = await browser.new_browser_cdp_session()
    contexts = await session.send("Target.getBrowserContexts")
    await session.detach()
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return {
        "contexts": len(contexts["browserContextIds"]),
        "processes": len(family),
        "temporary files": len(list_temporary()),
        "sockets": sum(map(count_sockets, family)),
    }


@contextmanager
def own_temporary_folder() -> Generator[None]:
    """Let driver and browser keep their files where nobody else does."""
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
    """Count those that are in use: what was closed lingers with the system for a while."""
    with suppress(psutil.Error):
        found = process.net_connections(kind="tcp")
        return sum(one.status in {psutil.CONN_ESTABLISHED, psutil.CONN_LISTEN} for one in found)
    return 0


async def wait_for_cleanup(
    environment: SoakEnvironment, before: Mapping[str, int]
) -> Mapping[str, int]:
    """Give what ends a moment to end."""
    ends_at = time.monotonic() + SETTLE_SECONDS
    while True:
        now = await count_resources(environment)
        if not find_leaks(before, now) or time.monotonic() > ends_at:
            return now
        await asyncio.sleep(0.5)


def find_leaks(before: Mapping[str, int], after: Mapping[str, int]) -> Sequence[str]:
    return [name for name in before if after[name] > before[name]]


async def soak(jobs: int) -> bool:
    async with open_environment() as environment:
        for _ in range(3):
            await environment.action.run(build_run(f"{environment.demo}/", 30_000))
        await asyncio.sleep(2)  # connections that are kept alive for a moment end
        before = await count_resources(environment)
        began = time.monotonic()
        results = await run_all(environment, jobs)
        seconds = time.monotonic() - began
        after = await wait_for_cleanup(environment, before)
    left = {
        "processes": len(psutil.Process().children(recursive=True)),
        "temporary files": len(list_temporary()),
    }
    print_results(results, seconds)
    return is_clean(results, before, after, left)


def print_results(results: Sequence[VisitResult], seconds: float) -> None:
    print(f"{len(results)} jobs in {seconds:.0f} s, {SLOTS} at once")
    for is_hostile, title in ((False, "demo site"), (True, "hostile site")):
        outcomes = Counter(one.outcome for one in results if one.is_hostile is is_hostile)
        longest = max((one.seconds for one in results if one.is_hostile is is_hostile), default=0.0)
        told = ", ".join(f"{name} {count}" for name, count in outcomes.most_common())
        print(f"{title:16}{told}; longest {longest:.1f} s")


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
            f"a normal page ended as {one.outcome}"
            for one in results
            if not one.is_hostile and one.outcome != "succeeded"
        ),
        *(
            f"a hostile page took {one.seconds:.1f} s"
            for one in results
            if one.is_hostile and one.seconds > MAX_SECONDS
        ),
    ]
    print("\n".join(faults) or "soak: nothing leaked")
    return not faults
