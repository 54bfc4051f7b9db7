"""Keeps a browser warm, bounds how many pages are open, and replaces what is worn or broken."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, Self

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from msaas.browser_worker.browser import PLAIN, BrowserUnavailable, ContextOptions
from msaas.kernel import Breaker, BreakerPolicy, CircuitOpen, Clock, RetryPolicy, SystemClock
from msaas.telemetry import Metrics, circuit_metrics, get_logger

TARGET: Final = "playwright"
BREAKER: Final = BreakerPolicy(consecutive=5, open_seconds=30.0)
RELAUNCH: Final = RetryPolicy(base=0.3, cap=3.0, attempts=3)
LOOK_EVERY: Final = 30.0
_NEWS_OF_THE_END: Final = 1.0
_CHANGE: Final = "change"


class Wear(NamedTuple):
    """How old a browser may become, and how much it may hold, before another takes its place."""

    seconds: float = 6 * 3_600.0
    size: int = 2 * 2**30


class Life(Protocol):
    """A browser from its launch to its end; `opened` counts the pages it has had."""

    on_end: Callable[[], None]
    opened: int
    is_worn: bool

    @property
    def is_alive(self) -> bool: ...

    def open_page(self, options: ContextOptions = PLAIN) -> AbstractAsyncContextManager[Page]: ...

    async def make_ready(self, options: ContextOptions) -> None: ...

    def has_slain(self) -> bool: ...

    def measure(self) -> int:
        """Return how many bytes it holds, with all of its processes."""
        ...

    async def has_ended(self, within: float) -> bool: ...

    async def close(self) -> None: ...


def make_breaker(metrics: Metrics, clock: Clock) -> Breaker:
    return Breaker(TARGET, BREAKER, clock, circuit_metrics(metrics))


class Engine:
    """An async context manager; `open_page` waits for a free slot.

    It is warm from its start, or where it `is_warm` not, from the first job that asks for a page.
    Two engines may share a breaker: what ails one browser mostly ails the other.
    """

    def __init__(
        self,
        launch: Callable[[], Awaitable[Life]],
        *,
        slots: int,
        recycle_after: int,
        metrics: Metrics,
        clock: Clock | None = None,
        wear: Wear | None = None,
        breaker: Breaker | None = None,
        is_warm: bool = True,
    ) -> None:
        self._launch = launch
        self._recycle_after = recycle_after
        self._wear = wear or Wear()
        self._born = 0.0
        self._measured_at = 0.0
        self._size = 0
        self._clock = clock or SystemClock()
        self._free = asyncio.Semaphore(slots)
        self._breaker = breaker or make_breaker(metrics, self._clock)
        self._is_warm = is_warm
        self._changing = asyncio.Lock()
        self._life: Life | None = None
        self._running: dict[Life, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._contexts = metrics.gauge("jobs_browser_contexts", "Contexts that are open now.")
        self._recycles = metrics.counter(
            "jobs_browser_recycles_total", "Browsers that were replaced.", ("reason",)
        )

    async def __aenter__(self) -> Self:
        if self._is_warm:
            await self._change()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing = True
        for task in tuple(self._tasks):
            if task.get_name() == _CHANGE:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(life.close() for life in tuple(self._running)))

    async def ping(self) -> None:
        """Raise unless a browser is there to be used."""
        if self._life is None or not self._life.is_alive:
            raise BrowserUnavailable

    @asynccontextmanager
    async def open_page(self, options: ContextOptions = PLAIN) -> AsyncGenerator[Page]:
        """Open a page in a fresh context; raises BrowserUnavailable where the browser fails.

        The page reaches the world through the proxy of `options`; without one it reaches nothing.
        """
        failure: Exception | None = None
        async with self._free:
            async with AsyncExitStack() as stack:
                await self._pass_breaker(stack)
                page, life = await self._open(stack, options)
                try:
                    yield page
                except Exception as error:  # raised again where it does not count
                    if await _is_the_end_of(life, error):
                        raise BrowserUnavailable from error
                    failure = error
            if failure is not None:
                raise failure

    def make_ready(self, find_options: Callable[[], Awaitable[ContextOptions]]) -> None:
        """Have a page opened meanwhile for a job that will ask with these options."""
        if not self._closing:
            self._spawn("make ready", self._make_ready(find_options))

    def has_slain_a_page(self) -> bool:
        """Say whether a page's process was ended just now, because it held too much memory."""
        return any(life.has_slain() for life in self._running)

    async def _open(self, stack: AsyncExitStack, options: ContextOptions) -> tuple[Page, Life]:
        life = await self._take()
        self._contexts.inc()
        stack.callback(self._give_back, life)
        return await stack.enter_async_context(life.open_page(options)), life

    async def _pass_breaker(self, stack: AsyncExitStack) -> None:
        """Wait while the circuit is open: a slot that is taken reads no more work meanwhile."""
        while True:
            try:
                await stack.enter_async_context(self._breaker)
            except CircuitOpen as refused:
                wait = refused.context["retry_after"]
                await self._clock.sleep(wait if isinstance(wait, float) else BREAKER.open_seconds)
            else:
                return

    async def _take(self) -> Life:
        """Return a browser that is fit; a job that is cancelled meanwhile leaves no half of one."""
        while (life := self._life) is None or self._find_reason(life):
            await asyncio.shield(self._spawn(_CHANGE, self._change()))
        self._running[life] += 1
        return life

    def _give_back(self, life: Life) -> None:
        self._contexts.dec()
        self._running[life] -= 1
        self._close_if_done(life)

    async def _change(self) -> None:
        """Put a new browser in the place of one that is gone or has had enough."""
        async with self._changing:
            old = self._life
            why = self._find_reason(old) if old else "start"
            if why is None:
                return
            life = self._life = await RELAUNCH.run(
                self._launch, on=(BrowserUnavailable,), clock=self._clock
            )
            life.on_end = self._warm
            self._born = self._measured_at = self._clock.monotonic()
            self._size = 0
            self._running[life] = 0
            if old is not None:
                self._recycles.labels(why).inc()
                get_logger().info("browser_replaced", reason=why, opened=old.opened)
                self._close_if_done(old)

    async def _make_ready(self, find_options: Callable[[], Awaitable[ContextOptions]]) -> None:
        life = self._life
        if life is not None and self._find_reason(life) is None:
            await life.make_ready(await find_options())

    def _find_reason(self, life: Life) -> str | None:
        """Say why a browser has to be replaced, if it has."""
        if not life.is_alive:
            return "ended"
        if life.is_worn:
            return "worn"
        if life.opened >= self._recycle_after:
            return "jobs"
        if self._clock.monotonic() - self._born >= self._wear.seconds:
            return "age"
        return "memory" if self._is_too_large(life) else None

    def _is_too_large(self, life: Life) -> bool:
        """Look now and then: what a look costs is more than a job should pay each time."""
        now = self._clock.monotonic()
        if now - self._measured_at >= LOOK_EVERY:
            self._measured_at, self._size = now, life.measure()
        return self._size >= self._wear.size

    def _warm(self) -> None:
        """Have a new browser ready before the next job asks."""
        if not self._closing:
            self._spawn(_CHANGE, self._change())

    def _close_if_done(self, life: Life) -> None:
        """Close a browser that was replaced, as soon as the last of its jobs is done."""
        if life is not self._life and not self._running.get(life, 1):
            del self._running[life]
            self._spawn("close", life.close())

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            get_logger().warning("browser_task_failed", task=task.get_name(), exc_info=error)


async def _is_the_end_of(life: Life, error: Exception) -> bool:
    """Say whether a page failed because its browser has ended; that news comes a moment later."""
    if not isinstance(error, PlaywrightError):
        return False
    return await life.has_ended(_NEWS_OF_THE_END if "closed" in error.message else 0.0)
