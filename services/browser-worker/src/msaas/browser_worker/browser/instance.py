"""One browser instance: its driver, its process group, its contexts and its shutdown."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self
from uuid import uuid4

import psutil
from playwright.async_api import Browser, Page, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

from msaas.browser_worker.browser.chromium import CHROMIUM_FLAGS, NO_IMAGES_FLAGS
from msaas.browser_worker.browser.memory_watchdog import POLL_INTERVAL, MemoryWatchdog
from msaas.browser_worker.limits import Limits
from msaas.kernel import DependencyUnavailable, PeriodicTask
from msaas.telemetry import get_logger, log_task_failure

# Nothing listens there: requests that belong to no job reach nothing.
UNREACHABLE_PROXY: Final = "socks5://127.0.0.1:1"
LAUNCH_SECONDS: Final = 30.0
CLOSE_SECONDS: Final = 5.0
OPEN_PAGE_SECONDS: Final = 15.0
# The worker's environment contains the URL of Redis: the browser gets a separate one.
_ENVIRONMENT: Final = {"PATH": os.defpath, "LANG": "C.UTF-8"}
_PROFILE_FLAG: Final = "--user-data-dir="


ContextOptions = Mapping[str, Any]
"""Playwright's options for a new context."""

DEFAULT_CONTEXT: Final[ContextOptions] = MappingProxyType({})


def proxy_options(proxy: str) -> ContextOptions:
    """Make a context connect through this egress proxy only."""
    return {"proxy": {"server": proxy}}


class BrowserUnavailable(DependencyUnavailable):
    """The browser does not start, opens no page, or has ended under a job."""

    default_message = "The browser is not available."


@dataclass(frozen=True, slots=True, kw_only=True)
class ChromiumLauncher:
    """The options of a browser launch."""

    chromium: Path
    sandbox: bool = True
    max_memory: int = Limits().memory
    max_shared_memory: int = Limits().shared_memory
    load_images: bool = False

    async def __call__(self) -> "ChromiumInstance":
        return await ChromiumInstance.start(self)


@dataclass(frozen=True, slots=True)
class _PrewarmedPage:
    """A page that was opened in advance, for exactly these options."""

    options: ContextOptions
    opening: asyncio.Task[Page]


class ChromiumInstance:
    """A Chromium with its own Playwright driver; both end together."""

    def __init__(
        self,
        playwright: Playwright,
        browser: Browser,
        processes: list[psutil.Process],
        launcher: ChromiumLauncher,
    ) -> None:
        self.on_end: Callable[[], None] = lambda: None
        self.opened_pages = 0
        self.is_unhealthy = False
        self._playwright = playwright
        self._browser = browser
        self._processes = processes
        self._profile = _find_profile(processes[0])
        self._open_pages = 0
        self._prewarmed: _PrewarmedPage | None = None
        self._memory_watchdog = MemoryWatchdog(
            self.pid, launcher.max_memory, launcher.max_shared_memory
        )
        watchdog = PeriodicTask(
            "memory-watchdog",
            self._check_memory,
            period=POLL_INTERVAL,
            report_failure=log_task_failure,
        )
        self._watchdog_task = asyncio.create_task(watchdog.run(), name=watchdog.name)
        self._ended = asyncio.Event()
        self._closing = False
        browser.on("disconnected", lambda _: self._on_disconnected())

    @classmethod
    async def start(cls, launcher: ChromiumLauncher) -> Self:
        marker = f"--msaas-instance={uuid4().hex}"
        playwright: Playwright | None = None
        try:
            async with asyncio.timeout(LAUNCH_SECONDS):
                playwright = await async_playwright().start()
                browser = await playwright.chromium.launch(
                    executable_path=launcher.chromium,
                    args=[
                        *CHROMIUM_FLAGS,
                        *(() if launcher.load_images else NO_IMAGES_FLAGS),
                        marker,
                    ],
                    proxy={"server": UNREACHABLE_PROXY},
                    chromium_sandbox=launcher.sandbox,
                    env={**_ENVIRONMENT, "TMPDIR": tempfile.gettempdir()},
                    handle_sigint=False,
                    handle_sigterm=False,
                    handle_sighup=False,
                )
            return cls(playwright, browser, _find_processes(marker), launcher)
        except BaseException as error:
            if playwright is not None:
                await _finish_in_time(playwright.stop())  # its browser ends with it
            if not isinstance(error, PlaywrightError | TimeoutError | OSError):
                raise
            get_logger().warning("browser_launch_failed", error=_first_line(error))
            raise BrowserUnavailable from error

    @property
    def is_alive(self) -> bool:
        return not self._ended.is_set()

    @property
    def pid(self) -> int:
        """The leader of the browser's process group."""
        return self._processes[0].pid

    def measure_memory(self) -> int:
        """Return an upper bound: shared memory counts once for each process."""
        processes = set(self._processes)
        for process in self._processes:
            with suppress(psutil.NoSuchProcess):
                processes.update(process.children(recursive=True))
        return sum(map(_rss_of, processes))

    @asynccontextmanager
    async def open_page(self, options: ContextOptions = DEFAULT_CONTEXT) -> AsyncGenerator[Page]:
        """Open a page in a context that is used once."""
        self.opened_pages += 1
        self._open_pages += 1
        opening = self._take_prewarmed(options) or asyncio.create_task(self._open_new_page(options))
        try:
            try:
                async with asyncio.timeout(OPEN_PAGE_SECONDS):
                    # Shielded: a cancelled call would leave a context that cannot be closed.
                    page = await asyncio.shield(opening)
            except (PlaywrightError, TimeoutError) as error:
                self.is_unhealthy = True
                raise BrowserUnavailable from error
            yield page
        finally:
            self._open_pages -= 1
            if not await _finish_in_time(_close_page(opening)):
                self.is_unhealthy = True

    async def prewarm_page(self, options: ContextOptions) -> None:
        """Open a page in advance for the next call with exactly these options."""
        old = self._prewarmed
        if old is not None and old.options == options and not _has_failed(old.opening):
            return
        self._prewarmed = None
        if old is not None:
            await _finish_in_time(_close_page(old.opening))
        if self.is_alive and not self._closing:
            opening = asyncio.create_task(self._open_new_page(options))
            opening.add_done_callback(
                _has_failed
            )  # retrieves the error of a page that is never used
            self._prewarmed = _PrewarmedPage(options, opening)

    def was_killed_for_memory(self) -> bool:
        return self._memory_watchdog.was_killed_for_memory()

    def count_pages_over_memory(self, since: float) -> int:
        return self._memory_watchdog.count_pages_over_memory(since)

    async def wait_ended(self, seconds: float) -> bool:
        """Wait for the disconnect event, which follows the errors of the pages."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        return self._ended.is_set()

    async def close(self) -> None:
        """Close the browser, then kill what is left of its processes."""
        self._closing = True
        self._watchdog_task.cancel()
        leader, *drivers = self._processes
        closed_in_time = await _finish_in_time(self._browser.close())
        _kill_group(leader)
        closed_in_time = await _finish_in_time(self._playwright.stop()) and closed_in_time
        if self._prewarmed is not None:
            await asyncio.wait({self._prewarmed.opening}, timeout=CLOSE_SECONDS)
        for driver in drivers:
            with suppress(psutil.NoSuchProcess):
                driver.kill()
        if self._profile is not None:  # a killed browser leaves it behind
            await asyncio.to_thread(shutil.rmtree, self._profile, ignore_errors=True)
        self._ended.set()
        if not closed_in_time:
            get_logger().warning("browser_close_forced")

    async def _open_new_page(self, options: ContextOptions) -> Page:
        context = await self._browser.new_context(
            accept_downloads=False,
            service_workers="block",
            **{**proxy_options(UNREACHABLE_PROXY), **options},
        )
        try:
            return await context.new_page()
        except BaseException:
            await _finish_in_time(context.close())
            raise

    def _take_prewarmed(self, options: ContextOptions) -> "asyncio.Task[Page] | None":
        if self._prewarmed is None or self._prewarmed.options != options:
            return None
        opening, self._prewarmed = self._prewarmed.opening, None
        return None if _has_failed(opening) else opening

    async def _check_memory(self) -> None:
        watchdog = self._memory_watchdog
        must_watch = self._open_pages or watchdog.is_exceeded
        if must_watch and self.is_alive and watchdog.check(self._open_pages):
            get_logger().error("browser_killed", opened=self.opened_pages)
            _kill_group(self._processes[0])

    def _on_disconnected(self) -> None:
        self._ended.set()
        if not self._closing:
            get_logger().error("browser_ended", opened=self.opened_pages)
            self.on_end()


def _rss_of(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


async def _close_page(opening: asyncio.Task[Page]) -> None:
    page = await opening
    await page.context.close()


def _has_failed(opening: asyncio.Task[Page]) -> bool:
    return opening.done() and (opening.cancelled() or opening.exception() is not None)


async def _finish_in_time(call: Coroutine[Any, Any, object]) -> bool:
    """Return whether a closing call finished in time."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await call
    except TimeoutError:
        return False
    except PlaywrightError:
        return True  # it is gone already
    return True


def _kill_group(leader: psutil.Process) -> None:
    with suppress(ProcessLookupError):
        if leader.is_running():
            os.killpg(leader.pid, signal.SIGKILL)


def _find_processes(marker: str) -> list[psutil.Process]:
    """Return the group leader whose arguments contain the marker, and its driver."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if marker in process.cmdline() and os.getpgid(process.pid) == process.pid:
                return [process, *([parent] if (parent := process.parent()) else [])]
    raise BrowserUnavailable("The browser exited right after launch.")


def _find_profile(leader: psutil.Process) -> Path | None:
    """Find the folder that the driver made for the browser."""
    with suppress(psutil.NoSuchProcess):
        for argument in leader.cmdline():
            if argument.startswith(_PROFILE_FLAG):
                return Path(argument.removeprefix(_PROFILE_FLAG))
    return None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
