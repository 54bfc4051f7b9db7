"""Keeps a browser running, limits how many pages are open, and replaces old or broken browsers."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, Self

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from msaas.browser_worker.browser.instance import (
    DEFAULT_CONTEXT,
    BrowserUnavailable,
    ContextOptions,
)
from msaas.kernel import Breaker, BreakerPolicy, CircuitOpen, Clock, RetryPolicy, SystemClock
from msaas.telemetry import Metrics, circuit_state_listener, get_logger

TARGET: Final = "playwright"
BREAKER: Final = BreakerPolicy(consecutive_failures=5, open_seconds=30.0)
RELAUNCH_RETRY: Final = RetryPolicy(base=0.3, cap=3.0, attempts=3)
MEASURE_INTERVAL: Final = 30.0
_DISCONNECT_EVENT_SECONDS: Final = 1.0
_REPLACE_TASK: Final = "replace"


class RecyclePolicy(NamedTuple):
    """The age and the memory at which a browser is replaced."""

    max_age_seconds: float = 6 * 3_600.0
    max_memory_bytes: int = 2 * 2**30


class BrowserInstance(Protocol):
    """A browser from its launch to its end."""

    on_end: Callable[[], None]
    opened_pages: int
    is_unhealthy: bool

    @property
    def is_alive(self) -> bool: ...

    def open_page(
        self, options: ContextOptions = DEFAULT_CONTEXT
    ) -> AbstractAsyncContextManager[Page]: ...

    async def prewarm_page(self, options: ContextOptions) -> None: ...

    def was_killed_for_memory(self) -> bool: ...

    def count_pages_over_memory(self, since: float) -> int: ...

    def measure_memory(self) -> int:
        """Return the bytes that all of its processes use."""
        ...

    async def wait_ended(self, seconds: float) -> bool: ...

    async def close(self) -> None: ...


def make_breaker(metrics: Metrics, clock: Clock) -> Breaker:
    return Breaker(TARGET, BREAKER, clock, circuit_state_listener(metrics))


class Engine:
    """An async context manager; `open_page` waits for a free slot.

    The browser is launched at the start, or with the first page where `is_warm` is false. Two
    engines may share a breaker: what breaks one browser usually breaks the other.
    """

    def __init__(
        self,
        launch: Callable[[], Awaitable[BrowserInstance]],
        *,
        slots: int,
        recycle_after: int,
        metrics: Metrics,
        clock: Clock | None = None,
        recycle_policy: RecyclePolicy | None = None,
        breaker: Breaker | None = None,
        is_warm: bool = True,
    ) -> None:
        self._launch = launch
        self._recycle_after = recycle_after
        self._recycle_policy = recycle_policy or RecyclePolicy()
        self._started_at = 0.0
        self._measured_at = 0.0
        self._memory_bytes = 0
        self._clock = clock or SystemClock()
        self._slots = asyncio.Semaphore(slots)
        self._breaker = breaker or make_breaker(metrics, self._clock)
        self._is_warm = is_warm
        self._replace_lock = asyncio.Lock()
        self._instance: BrowserInstance | None = None
        self._open_pages: dict[BrowserInstance, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._contexts = metrics.gauge("jobs_browser_contexts", "Open browser contexts.")
        self._recycles = metrics.counter(
            "jobs_browser_recycles_total", "Browsers that were replaced.", ("reason",)
        )

    async def __aenter__(self) -> Self:
        if self._is_warm:
            await self._replace_instance()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing = True
        for task in tuple(self._tasks):
            if task.get_name() == _REPLACE_TASK:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(instance.close() for instance in tuple(self._open_pages)))

    async def ping(self) -> None:
        """Raise BrowserUnavailable unless a browser is running."""
        if self._instance is None or not self._instance.is_alive:
            raise BrowserUnavailable

    @asynccontextmanager
    async def open_page(self, options: ContextOptions = DEFAULT_CONTEXT) -> AsyncGenerator[Page]:
        """Open a page in a fresh context; raises BrowserUnavailable where the browser fails.

        The page connects through the proxy of `options`; without one it reaches nothing.
        """
        failure: Exception | None = None
        async with self._slots:
            async with AsyncExitStack() as stack:
                await self._wait_for_breaker(stack)
                page, instance = await self._open_in_instance(stack, options)
                try:
                    yield page
                except Exception as error:  # raised again outside of the breaker
                    if await _is_disconnect(instance, error):
                        raise BrowserUnavailable from error
                    failure = error
            if failure is not None:
                raise failure

    def prewarm_page(self, find_options: Callable[[], Awaitable[ContextOptions]]) -> None:
        """Open a page in the background for the next job with these options."""
        if not self._closing:
            self._spawn("prewarm", self._prewarm_page(find_options))

    def was_killed_for_memory(self) -> bool:
        """Return whether a page was just killed because of its memory."""
        return any(instance.was_killed_for_memory() for instance in self._open_pages)

    def count_pages_over_memory(self, since: float) -> int:
        """Return how many pages were open when a browser exceeded its memory; 0 if none did."""
        return sum(instance.count_pages_over_memory(since) for instance in self._open_pages)

    async def _open_in_instance(
        self, stack: AsyncExitStack, options: ContextOptions
    ) -> tuple[Page, BrowserInstance]:
        instance = await self._acquire_instance()
        self._contexts.inc()
        stack.callback(self._release_instance, instance)
        return await stack.enter_async_context(instance.open_page(options)), instance

    async def _wait_for_breaker(self, stack: AsyncExitStack) -> None:
        """Wait while the circuit is open; the worker takes no more jobs than it has slots."""
        while True:
            try:
                await stack.enter_async_context(self._breaker)
            except CircuitOpen as refused:
                wait = refused.context["retry_after"]
                await self._clock.sleep(wait if isinstance(wait, float) else BREAKER.open_seconds)
            else:
                return

    async def _acquire_instance(self) -> BrowserInstance:
        """Return a usable browser; cancelling the call does not interrupt a replacement."""
        while (instance := self._instance) is None or self._find_recycle_reason(instance):
            await asyncio.shield(self._spawn(_REPLACE_TASK, self._replace_instance()))
        self._open_pages[instance] += 1
        return instance

    def _release_instance(self, instance: BrowserInstance) -> None:
        self._contexts.dec()
        self._open_pages[instance] -= 1
        self._close_if_idle(instance)

    async def _replace_instance(self) -> None:
        """Replace a browser that has ended or is due for recycling."""
        async with self._replace_lock:
            previous = self._instance
            reason = self._find_recycle_reason(previous) if previous else "start"
            if reason is None:
                return
            instance = self._instance = await RELAUNCH_RETRY.run(
                self._launch, retry_on=(BrowserUnavailable,), clock=self._clock
            )
            instance.on_end = self._schedule_replacement
            self._started_at = self._measured_at = self._clock.monotonic()
            self._memory_bytes = 0
            self._open_pages[instance] = 0
            if previous is not None:
                self._recycles.labels(reason).inc()
                get_logger().info("browser_replaced", reason=reason, opened=previous.opened_pages)
                self._close_if_idle(previous)

    async def _prewarm_page(self, find_options: Callable[[], Awaitable[ContextOptions]]) -> None:
        instance = self._instance
        if instance is not None and self._find_recycle_reason(instance) is None:
            await instance.prewarm_page(await find_options())

    def _find_recycle_reason(self, instance: BrowserInstance) -> str | None:
        """Return why a browser has to be replaced, or None."""
        if not instance.is_alive:
            return "ended"
        if instance.is_unhealthy:
            return "worn"
        if instance.opened_pages >= self._recycle_after:
            return "jobs"
        if self._clock.monotonic() - self._started_at >= self._recycle_policy.max_age_seconds:
            return "age"
        return "memory" if self._exceeds_memory(instance) else None

    def _exceeds_memory(self, instance: BrowserInstance) -> bool:
        """Measure at intervals: a measurement is too expensive for every job."""
        now = self._clock.monotonic()
        if now - self._measured_at >= MEASURE_INTERVAL:
            self._measured_at, self._memory_bytes = now, instance.measure_memory()
        return self._memory_bytes >= self._recycle_policy.max_memory_bytes

    def _schedule_replacement(self) -> None:
        """Launch a new browser before the next job needs it."""
        if not self._closing:
            self._spawn(_REPLACE_TASK, self._replace_instance())

    def _close_if_idle(self, instance: BrowserInstance) -> None:
        """Close a replaced browser as soon as its last job has ended."""
        if instance is not self._instance and not self._open_pages.get(instance, 1):
            del self._open_pages[instance]
            self._spawn("close", instance.close())

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            get_logger().warning("browser_task_failed", task=task.get_name(), exc_info=error)


async def _is_disconnect(instance: BrowserInstance, error: Exception) -> bool:
    """Return whether a page failed because its browser has ended."""
    if not isinstance(error, PlaywrightError):
        return False
    return await instance.wait_ended(
        _DISCONNECT_EVENT_SECONDS if "closed" in error.message else 0.0
    )
