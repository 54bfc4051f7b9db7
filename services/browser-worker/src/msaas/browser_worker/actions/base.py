"""What all browser actions share: a page of their own, timed steps, and reasons for failures."""

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import ClassVar, Final, Protocol, TypeVar

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Request

from msaas.browser_worker.actions.options import (
    ENGINE_BLOCKS,
    build_options,
    dress,
    find_blocked,
)
from msaas.browser_worker.browser import PLAIN, BrowserUnavailable, ContextOptions, through
from msaas.browser_worker.egress import Door
from msaas.browser_worker.failures import explain, explain_no_browser, place_of
from msaas.browser_worker.guard import Refusal
from msaas.browser_worker.watch import Watch
from msaas.contracts import PageParams, Value
from msaas.kernel import DependencyUnavailable
from msaas.telemetry import Metrics, span
from msaas.worker import ActionFailed, Run

Params = TypeVar("Params", bound=Value)

_BUCKETS: Final = (0.05, 0.1, 0.2, 0.35, 0.5, 0.8, 1.2, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0)


class Pages(Protocol):
    """Where an action gets its page from."""

    def open_page(self, options: ContextOptions = PLAIN) -> AbstractAsyncContextManager[Page]: ...

    def make_ready(self, find_options: Callable[[], Awaitable[ContextOptions]]) -> None: ...

    def has_slain_a_page(self) -> bool: ...


class Doors(Protocol):
    """Where an action gets its page's way out from."""

    def open_door(self, *, ahead: bool = False) -> AbstractAsyncContextManager[Door]: ...

    async def tell_ahead(self) -> str: ...


class Visit:
    """One run and its page, and where that page was last refused."""

    def __init__(self, page: Page, run: Run, door: Door) -> None:
        self.page = page
        self.run = run
        self._traffic = door.traffic
        self._failed_url: str | None = None
        page.on("requestfailed", self._remember_failed)

    def get_params(self, kind: type[Params]) -> Params:
        if not isinstance(self.run.params, kind):
            raise TypeError("the action was given the parameters of another task")
        return self.run.params

    @asynccontextmanager
    async def step(self, name: str) -> AsyncGenerator[None]:
        """Begin a step, unless the job was cancelled; its time goes into the result."""
        # The broadcast reaches this run too, so a wire that is away need not end it.
        with suppress(DependencyUnavailable):
            await self.run.check()
        with span(f"jobs.browser.{name}"), _timed(self.run, name):
            yield

    def find_refusal(self) -> Refusal | None:
        """Tell why the proxy refused the page that was to be opened last."""
        failed_url = self._failed_url
        return self._traffic.find_refusal(*place_of(failed_url)) if failed_url else None

    def _remember_failed(self, request: Request) -> None:
        if request.is_navigation_request() and request.frame == self.page.main_frame:
            self._failed_url = request.url


class BrowserAction(ABC):
    """Runs `visit` with a page in a fresh context.

    `needs_pictures` is for what is looked at: its pages come from `pictured`, a browser that
    fetches pictures and fonts, unless the job blocks both.
    """

    needs_pictures: ClassVar[bool] = False

    def __init__(
        self, pages: Pages, doors: Doors, metrics: Metrics, *, pictured: Pages | None = None
    ) -> None:
        self._pages = pages
        self._pictured = pictured or pages
        self._doors = doors
        self._seconds = metrics.histogram(
            "jobs_browser_processing_seconds", "One visit.", ("task_type",), _BUCKETS
        )
        self._total = metrics.counter(
            "jobs_browser_total", "Visits by how they ended.", ("task_type", "outcome")
        )
        self._pending = metrics.gauge(
            "jobs_browser_pending_messages", "Jobs taken from the topic and not answered yet."
        )

    @abstractmethod
    async def visit(self, visit: Visit) -> Value: ...

    async def run(self, run: Run) -> Value:
        task_type = run.envelope.task_type
        with span("jobs.browser.automation", task_type=task_type), self._measured(task_type):
            return await self._visit(run)

    async def _visit(self, run: Run) -> Value:
        refusal: Callable[[], Refusal | None] = lambda: None  # noqa: E731  # until there is a page
        try:
            async with self._opening(run) as visit:
                refusal = visit.find_refusal
                return await self.visit(visit)
        except BrowserUnavailable as error:
            raise explain_no_browser() from error
        except PlaywrightError as error:
            raise explain(error, refusal()) from error

    @asynccontextmanager
    async def _opening(self, run: Run) -> AsyncGenerator[Visit]:
        began = time.monotonic()
        params = run.params if isinstance(run.params, PageParams) else None
        blocked = find_blocked(params, needs_pictures=self.needs_pictures)
        pages = self._pages if blocked >= ENGINE_BLOCKS else self._pictured
        options = build_options(params) if params else PLAIN
        is_plain = pages is self._pages and not options
        async with (
            self._doors.open_door(ahead=is_plain) as door,
            pages.open_page({**options, **through(door.url)}) as page,
        ):
            if params:
                await dress(page, params, blocked - ENGINE_BLOCKS)
            run.timings["open"] = _ms_since(began)
            try:
                async with Watch(page, door, pages.has_slain_a_page).keep():
                    yield Visit(page, run, door)
            finally:
                run.network.extend(door.traffic.tell())
                if is_plain:  # as the next job may well be
                    pages.make_ready(self._find_next_options)

    async def _find_next_options(self) -> ContextOptions:
        return through(await self._doors.tell_ahead())

    @contextmanager
    def _measured(self, task_type: str) -> Generator[None]:
        began, outcome = time.monotonic(), "ended"  # by a cancellation, or with its process
        try:
            with self._pending.track_inprogress():
                yield
            outcome = "succeeded"
        except ActionFailed as failed:
            outcome = failed.reason
            raise
        finally:
            self._seconds.labels(task_type).observe(time.monotonic() - began)
            self._total.labels(task_type, outcome).inc()


@contextmanager
def _timed(run: Run, name: str) -> Generator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        run.timings[name] = _ms_since(began)


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
