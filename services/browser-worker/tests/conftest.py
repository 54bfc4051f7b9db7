"""A real browser behind its guard, the demo site, and a server that says whatever a test wants."""

import hashlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from msaas.browser_worker.browser.instance import ChromiumLauncher
from msaas.browser_worker.browser.memory_watchdog import list_process_group
from msaas.browser_worker.egress.policy import EgressPolicy
from msaas.browser_worker.egress.proxy import EgressProxyFactory
from msaas.browser_worker.engine import Engine
from msaas.browser_worker.limits import Limits
from msaas.browser_worker.run import make_actions
from msaas.contracts import Artifact, NavigateAndExtractTextResult, Progress, get_task
from msaas.kernel import SystemClock
from msaas.local.chromium import ensure_chromium
from msaas.local.demo_site import DemoSite
from msaas.telemetry import Metrics
from msaas.testing import build_job_envelope, build_job_meta
from msaas.worker import RunContext

TASK = "navigate_and_extract_text"
Page = tuple[int, dict[str, str], bytes | Callable[[dict[str, str]], bytes]]


class FakeWebServer:
    """An HTTP server on loopback; `pages` are what it answers, `asked` what it was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.address}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def add_page(self, path: str, html: str, status: int = 200, **headers: str) -> str:
        kind = {"content-type": "text/html; charset=utf-8"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = status, kind | named, html.encode("utf-8", "surrogatepass")
        return f"{self.url}{path}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.requests.append(self.path)
                status, headers, body = web.pages.get(self.path, (404, {}, b"nothing here"))
                content = body if isinstance(body, bytes) else body(dict(self.headers))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
                """Say nothing."""

        return Handler


@dataclass
class BrowserHarness:
    """The worker's inside: everything but the wire."""

    engine: Engine
    egress: EgressProxyFactory
    metrics: Metrics
    image_engine: Engine | None = None
    run: RunContext | None = None
    checks: list[str] = field(default_factory=list[str])
    saved: dict[str, bytes] = field(default_factory=dict[str, bytes])
    progress: list[Progress] = field(default_factory=list[Progress])

    async def visit(
        self,
        url: str,
        *,
        seconds: float = 30,
        is_cancelled: Callable[[], bool] = lambda: False,
        **params: Any,
    ) -> NavigateAndExtractTextResult:
        result = await self.run_task(
            TASK, url, seconds=seconds, is_cancelled=is_cancelled, **params
        )
        assert isinstance(result, NavigateAndExtractTextResult)
        return result

    async def run_task(
        self,
        task_type: str,
        url: str,
        *,
        seconds: float = 30,
        is_cancelled: Callable[[], bool] = lambda: False,
        **params: Any,
    ) -> Any:
        """Run any task, with a place for each of its files."""

        async def check_cancelled() -> bool:
            return is_cancelled()

        async def send_progress(progress: Progress) -> None:
            self.progress.append(progress)

        async def save_artifact(name: str, content: bytes, content_type: str) -> Artifact:
            assert name in task.uploads
            self.saved[name] = content
            digest = hashlib.sha256(content).hexdigest()
            size = len(content)
            return Artifact(name=name, content_type=content_type, size=size, sha256=digest)

        task = get_task(task_type)
        links = dict.fromkeys(task.uploads, "http://store.test/")
        self.run = RunContext(
            build_job_envelope(task_type=task_type, meta=build_job_meta(uploads=links)),
            task.params.model_validate_json(json.dumps({"url": url, **params})),
            clock=SystemClock(),
            timeout=seconds,
            send_progress=send_progress,
            is_cancelled=check_cancelled,
            save_artifact=save_artifact,
        )
        actions = make_actions(
            self.engine, self.egress, self.metrics, image_engine=self.image_engine
        )
        try:
            result = await actions[task_type].run(self.run)
        finally:
            self.run.stop_reporting()
        return task.result.model_validate(result)

    def list_page_processes(self) -> set[int]:
        """List the processes of pages, that of the page which is ready for the next job too."""
        engine: Any = self.engine
        found: set[int] = set()
        for one in list_process_group(engine._instance.pid):
            with suppress(psutil.Error):
                if "--type=renderer" in one.cmdline() and one.status() != psutil.STATUS_ZOMBIE:
                    found.add(one.pid)
        return found

    def get_metric(self, name: str, **labels: str) -> float:
        return (
            self.metrics.registry.get_sample_value(
                name, {**labels, "service": "test", "environment": "test"}
            )
            or 0.0
        )


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    return ensure_chromium(print)


@pytest.fixture(scope="session")
def site() -> Iterator[DemoSite]:
    with DemoSite() as site:
        yield site


@pytest.fixture
def web() -> Iterator[FakeWebServer]:
    """Return a server that the operator allows to be visited."""
    web = FakeWebServer()
    yield web
    web.close()


@pytest.fixture
def private_server() -> Iterator[FakeWebServer]:
    """Return a server of the fleet's own network, which nobody named."""
    web = FakeWebServer()
    web.add_page("/", "<h1>secrets</h1>")
    yield web
    web.close()


@pytest_asyncio.fixture
async def start_harness(
    chromium_path: Path, site: DemoSite, web: FakeWebServer
) -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as stack:

        async def start(
            *,
            slots: int = 2,
            recycle_after: int = 500,
            allowed: tuple[str, ...] = (),
            ports: Iterable[int] = range(1, 65_536),
            limits: Limits = Limits(),  # noqa: B008  # it is frozen
            **egress: Any,
        ) -> BrowserHarness:
            metrics = Metrics("test", "test")
            guard = EgressPolicy((site.address, web.address, *allowed), ports=ports)
            way_out = EgressProxyFactory(guard, metrics, limits=limits, **egress)
            launch = ChromiumLauncher(
                chromium=chromium_path, sandbox=False, max_memory=limits.memory
            )
            engine = Engine(launch, slots=slots, recycle_after=recycle_after, metrics=metrics)
            pictured = Engine(
                replace(launch, pictures=True),
                slots=slots,
                recycle_after=recycle_after,
                metrics=metrics,
                is_warm=False,
            )
            await stack.enter_async_context(way_out)
            await stack.enter_async_context(pictured)
            return BrowserHarness(
                await stack.enter_async_context(engine), way_out, metrics, pictured
            )

        yield start


@pytest_asyncio.fixture
async def harness(start_harness: Callable[..., Any]) -> BrowserHarness:
    return await start_harness()
