"""The base of all browser actions: a page of its own, timed steps, and failure reasons."""

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import ClassVar, Final, Protocol, TypeVar

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Request

from msaas.browser_worker.actions.context_options import (
    ENGINE_BLOCKED_RESOURCES,
    build_context_options,
    configure_page,
    get_blocked_resources,
)
from msaas.browser_worker.browser.instance import (
    DEFAULT_CONTEXT,
    BrowserUnavailable,
    ContextOptions,
    proxy_options,
)
from msaas.browser_worker.browser.page_monitor import PageMonitor
from msaas.browser_worker.egress.policy import Refusal
from msaas.browser_worker.egress.proxy import EgressProxy
from msaas.browser_worker.failures import build_browser_unavailable, build_failure, host_and_port
from msaas.contracts import PageParams, ValueObject
from msaas.kernel import DependencyUnavailable
from msaas.telemetry import Metrics, span
from msaas.worker import ActionFailed, RunContext

Params = TypeVar("Params", bound=ValueObject)

_DURATION_BUCKETS: Final = (0.05, 0.1, 0.2, 0.35, 0.5, 0.8, 1.2, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0)


class PageProvider(Protocol):
    """Opens pages for actions."""

    def open_page(
        self, options: ContextOptions = DEFAULT_CONTEXT
    ) -> AbstractAsyncContextManager[Page]: ...

    def prewarm_page(self, find_options: Callable[[], Awaitable[ContextOptions]]) -> None: ...

    def was_killed_for_memory(self) -> bool: ...

    def count_pages_over_memory(self, since: float) -> int: ...


class ProxyProvider(Protocol):
    """Opens an egress proxy for an action's page."""

    def open_proxy(
        self, *, use_prepared: bool = False
    ) -> AbstractAsyncContextManager[EgressProxy]: ...

    async def prepare_proxy(self) -> str: ...


class Visit:
    """One run with its page, and the URL whose navigation failed last."""

    def __init__(self, page: Page, run: RunContext, proxy: EgressProxy) -> None:
        self.page = page
        self.run = run
        self._traffic = proxy.traffic
        self._failed_url: str | None = None
        page.on("requestfailed", self._on_request_failed)

    def get_params(self, kind: type[Params]) -> Params:
        if not isinstance(self.run.params, kind):
            raise TypeError("the parameters are for another task")
        return self.run.params

    @asynccontextmanager
    async def step(self, name: str) -> AsyncGenerator[None]:
        """Start a step, unless the job was cancelled, and record its duration."""
        # The broadcast reaches this run too, so an outage of Redis does not end it.
        with suppress(DependencyUnavailable):
            await self.run.raise_if_cancelled()
        with span(f"jobs.browser.{name}"), _record_timing(self.run, name):
            yield

    def find_refusal(self) -> Refusal | None:
        """Return why the proxy refused the last navigation, if it did."""
        failed_url = self._failed_url
        return self._traffic.find_refusal(*host_and_port(failed_url)) if failed_url else None

    def _on_request_failed(self, request: Request) -> None:
        if request.is_navigation_request() and request.frame == self.page.main_frame:
            self._failed_url = request.url


class BrowserAction(ABC):
    """Runs `visit` with a page in a fresh context.

    Where `needs_images`, the page comes from `image_pages`, a browser that loads images and fonts,
    unless the job blocks both.
    """

    task_type: str
    needs_images: ClassVar[bool] = False

    def __init__(
        self,
        pages: PageProvider,
        proxies: ProxyProvider,
        metrics: Metrics,
        *,
        image_pages: PageProvider | None = None,
    ) -> None:
        self._pages = pages
        self._image_pages = image_pages or pages
        self._proxies = proxies
        self._duration = metrics.histogram(
            "jobs_browser_processing_seconds", "One visit.", ("task_type",), _DURATION_BUCKETS
        )
        self._total = metrics.counter(
            "jobs_browser_total", "Visits by how they ended.", ("task_type", "outcome")
        )
        self._pending = metrics.gauge(
            "jobs_browser_pending_messages", "Jobs that are running or wait for a page."
        )

    @abstractmethod
    async def visit(self, visit: Visit) -> ValueObject: ...

    async def run(self, run: RunContext) -> ValueObject:
        task_type = run.envelope.task_type
        with span("jobs.browser.automation", task_type=task_type), self._record_metrics(task_type):
            return await self._run_visit(run)

    async def _run_visit(self, run: RunContext) -> ValueObject:
        refusal: Callable[[], Refusal | None] = lambda: None  # noqa: E731  # until there is a page
        try:
            async with self._open_visit(run) as visit:
                refusal = visit.find_refusal
                return await self.visit(visit)
        except BrowserUnavailable as error:
            raise build_browser_unavailable() from error
        except PlaywrightError as error:
            raise build_failure(error, refusal()) from error

    @asynccontextmanager
    async def _open_visit(self, run: RunContext) -> AsyncGenerator[Visit]:
        started = time.monotonic()
        params = run.params if isinstance(run.params, PageParams) else None
        blocked = get_blocked_resources(params, needs_images=self.needs_images)
        pages = self._pages if blocked >= ENGINE_BLOCKED_RESOURCES else self._image_pages
        options = build_context_options(params) if params else DEFAULT_CONTEXT
        uses_defaults = pages is self._pages and not options
        async with (
            self._proxies.open_proxy(use_prepared=uses_defaults) as proxy,
            pages.open_page({**options, **proxy_options(proxy.url)}) as page,
        ):
            if params:
                await configure_page(page, params, blocked - ENGINE_BLOCKED_RESOURCES)
            run.timings["open"] = _ms_since(started)
            try:
                async with PageMonitor(page, proxy, pages).enforce_limits():
                    yield Visit(page, run, proxy)
            finally:
                run.network.extend(proxy.traffic.list_visited_places())
                if uses_defaults:  # as the next job may well be
                    pages.prewarm_page(self._find_next_options)

    async def _find_next_options(self) -> ContextOptions:
        return proxy_options(await self._proxies.prepare_proxy())

    @contextmanager
    def _record_metrics(self, task_type: str) -> Generator[None]:
        started, outcome = (
            time.monotonic(),
            "ended",
        )  # by a cancellation, or by the end of the process
        try:
            with self._pending.track_inprogress():
                yield
            outcome = "succeeded"
        except ActionFailed as failed:
            outcome = failed.reason
            raise
        finally:
            self._duration.labels(task_type).observe(time.monotonic() - started)
            self._total.labels(task_type, outcome).inc()


@contextmanager
def _record_timing(run: RunContext, name: str) -> Generator[None]:
    started = time.monotonic()
    try:
        yield
    finally:
        run.timings[name] = _ms_since(started)


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
