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

from msaas.browser_worker.browser import Launch
from msaas.browser_worker.egress import Egress
from msaas.browser_worker.engine import Engine
from msaas.browser_worker.guard import Guard
from msaas.browser_worker.limits import Limits
from msaas.browser_worker.run import make_actions
from msaas.browser_worker.warden import list_group
from msaas.contracts import Artifact, NavigateAndExtractTextResult, Progress, get_task
from msaas.kernel import SystemClock
from msaas.local.chromium import ensure_chromium
from msaas.local.demo_site import DemoSite
from msaas.telemetry import Metrics
from msaas.testing import build_job_envelope, build_job_meta
from msaas.worker import Run

TASK = "navigate_and_extract_text"
Page = tuple[int, dict[str, str], bytes | Callable[[dict[str, str]], bytes]]


class Web:
    """An HTTP server on loopback; `pages` are what it answers, `asked` what it was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.place = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.place}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def show(self, path: str, html: str, status: int = 200, **headers: str) -> str:
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
                web.asked.append(self.path)
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
class Rig:
    """The worker's inside: everything but the wire."""

    engine: Engine
    egress: Egress
    metrics: Metrics
    pictured: Engine | None = None
    run: Run | None = None
    checks: list[str] = field(default_factory=list[str])
    kept: dict[str, bytes] = field(default_factory=dict[str, bytes])
    told: list[Progress] = field(default_factory=list[Progress])

    async def visit(
        self,
        url: str,
        *,
        seconds: float = 30,
        is_cancelled: Callable[[], bool] = lambda: False,
        **params: Any,
    ) -> NavigateAndExtractTextResult:
        result = await self.do(TASK, url, seconds=seconds, is_cancelled=is_cancelled, **params)
        assert isinstance(result, NavigateAndExtractTextResult)
        return result

    async def do(
        self,
        task_type: str,
        url: str,
        *,
        seconds: float = 30,
        is_cancelled: Callable[[], bool] = lambda: False,
        **params: Any,
    ) -> Any:
        """Run any task, with a place for each of its files."""

        async def look() -> bool:
            return is_cancelled()

        async def tell(progress: Progress) -> None:
            self.told.append(progress)

        async def keep(name: str, content: bytes, content_type: str) -> Artifact:
            assert name in task.uploads
            self.kept[name] = content
            digest = hashlib.sha256(content).hexdigest()
            size = len(content)
            return Artifact(name=name, content_type=content_type, size=size, sha256=digest)

        task = get_task(task_type)
        links = dict.fromkeys(task.uploads, "http://store.test/")
        self.run = Run(
            build_job_envelope(task_type=task_type, meta=build_job_meta(uploads=links)),
            task.params.model_validate_json(json.dumps({"url": url, **params})),
            clock=SystemClock(),
            seconds=seconds,
            tell=tell,
            is_cancelled=look,
            keep=keep,
        )
        actions = make_actions(self.engine, self.egress, self.metrics, pictured=self.pictured)
        try:
            result = await actions[task_type].run(self.run)
        finally:
            self.run.end()
        return task.result.model_validate(result)

    def list_pages(self) -> set[int]:
        """List the processes of pages, that of the page which is ready for the next job too."""
        engine: Any = self.engine
        found: set[int] = set()
        for one in list_group(engine._life.pid):
            with suppress(psutil.Error):
                if "--type=renderer" in one.cmdline() and one.status() != psutil.STATUS_ZOMBIE:
                    found.add(one.pid)
        return found

    def count(self, name: str, **labels: str) -> float:
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
def web() -> Iterator[Web]:
    """Return a server that the operator allows to be visited."""
    web = Web()
    yield web
    web.close()


@pytest.fixture
def private() -> Iterator[Web]:
    """Return a server of the fleet's own network, which nobody named."""
    web = Web()
    web.show("/", "<h1>secrets</h1>")
    yield web
    web.close()


@pytest_asyncio.fixture
async def start_rig(
    chromium_path: Path, site: DemoSite, web: Web
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
        ) -> Rig:
            metrics = Metrics("test", "test")
            guard = Guard((site.place, web.place, *allowed), ports=ports)
            way_out = Egress(guard, metrics, limits=limits, **egress)
            launch = Launch(chromium=chromium_path, sandbox=False, memory=limits.memory)
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
            return Rig(await stack.enter_async_context(engine), way_out, metrics, pictured)

        yield start


@pytest_asyncio.fixture
async def rig(start_rig: Callable[..., Any]) -> Rig:
    return await start_rig()
