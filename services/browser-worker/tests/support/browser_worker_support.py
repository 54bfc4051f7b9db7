"""What the tests of the browser worker share: a web server, a harness, types of the fixtures."""

import asyncio
import hashlib
import json
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import psutil
from playwright.async_api import Browser

from msaas.browser_worker.browser.memory_watchdog import list_process_group
from msaas.browser_worker.egress.proxy import EgressProxyFactory, Lookup
from msaas.browser_worker.engine import Engine
from msaas.browser_worker.limits import Limits
from msaas.browser_worker.run import make_actions
from msaas.contracts import Artifact, NavigateAndExtractTextResult, Progress, get_task
from msaas.kernel import SystemClock
from msaas.messaging import Messenger, RedisBroker
from msaas.telemetry import Metrics
from msaas.testing import FakeJobsService, build_job_envelope, build_job_meta
from msaas.worker import RunContext

TASK = "navigate_and_extract_text"
HAS_SANDBOX = os.geteuid() != 0
"""Chromium has no sandbox as root; CI runs the tests as an ordinary user too."""

Page = tuple[int, dict[str, str], bytes | Callable[[dict[str, str]], bytes]]


class FakeWebServer:
    """An HTTP server on loopback that answers with `pages` and records `requests`."""

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
                """Log nothing."""

        return Handler


@dataclass
class BrowserHarness:
    """Everything of the worker except Redis."""

    engine: Engine
    egress: EgressProxyFactory
    metrics: Metrics
    image_engine: Engine | None = None
    last_run: RunContext | None = None
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
        """Run any task, with an upload link for each of its files."""

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
        run = self.last_run = RunContext(
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
            result = await actions[task_type].run(run)
        finally:
            run.stop_reporting()
        return task.result.model_validate(result)

    @property
    def run(self) -> RunContext:
        assert self.last_run is not None
        return self.last_run

    @property
    def browser(self) -> Browser:
        engine: Any = self.engine
        return engine._instance._browser

    @property
    def browser_pid(self) -> int:
        engine: Any = self.engine
        return engine._instance.pid

    def list_page_processes(self) -> set[int]:
        """List the processes of pages, including that of the prewarmed page."""
        found: set[int] = set()
        for process in list_process_group(self.browser_pid):
            with suppress(psutil.Error):
                is_renderer = "--type=renderer" in process.cmdline()
                if is_renderer and process.status() != psutil.STATUS_ZOMBIE:
                    found.add(process.pid)
        return found

    def get_metric(self, name: str, **labels: str) -> float:
        return (
            self.metrics.registry.get_sample_value(
                name, {**labels, "service": "test", "environment": "test"}
            )
            or 0.0
        )


class StartHarness(Protocol):
    async def __call__(
        self,
        *,
        slots: int = 2,
        recycle_after: int = 500,
        allowed: tuple[str, ...] = (),
        ports: Iterable[int] = range(1, 65_536),
        limits: Limits = Limits(),  # noqa: B008  # it is frozen
        lookup: Lookup | None = None,
    ) -> BrowserHarness: ...


async def start_program(
    given: Mapping[str, str], *arguments: str, stdout: Any = None, stderr: Any = None
) -> asyncio.subprocess.Process:
    """Start a module of the project as a process."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, env=os.environ | given, stdout=stdout, stderr=stderr
    )


@asynccontextmanager
async def open_jobs_service(redis_url: str) -> AsyncGenerator[FakeJobsService]:
    broker = RedisBroker(redis_url)
    metrics = Metrics("jobs", "test")
    messenger = Messenger(broker, "jobs", "test", metrics=metrics)
    service = FakeJobsService(messenger, "jobs.browser")
    running = asyncio.create_task(messenger.run())
    yield service
    messenger.drain()
    await running
    await broker.close()
