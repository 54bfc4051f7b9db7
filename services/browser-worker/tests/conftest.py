"""A real browser behind an egress proxy, the demo site, and a server for a test's own pages."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from browser_worker_support import HAS_SANDBOX, BrowserHarness, FakeWebServer, StartHarness

from msaas.browser_worker.browser.instance import ChromiumLauncher
from msaas.browser_worker.egress.policy import EgressPolicy
from msaas.browser_worker.egress.proxy import EgressProxyFactory, Lookup
from msaas.browser_worker.engine import Engine
from msaas.browser_worker.limits import Limits
from msaas.local.chromium import ensure_chromium
from msaas.local.demo_site import DemoSite
from msaas.telemetry import Metrics


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    return ensure_chromium(print)


@pytest.fixture(scope="session")
def site() -> Iterator[DemoSite]:
    with DemoSite() as site:
        yield site


@pytest.fixture
def web() -> Iterator[FakeWebServer]:
    """Return a server that the operator allows."""
    web = FakeWebServer()
    yield web
    web.close()


@pytest.fixture
def private_server() -> Iterator[FakeWebServer]:
    """Return a server on the private network that the operator has not allowed."""
    web = FakeWebServer()
    web.add_page("/", "<h1>secrets</h1>")
    yield web
    web.close()


@pytest_asyncio.fixture
async def start_harness(
    chromium_path: Path, site: DemoSite, web: FakeWebServer
) -> AsyncIterator[StartHarness]:
    async with AsyncExitStack() as stack:

        async def start(
            *,
            slots: int = 2,
            recycle_after: int = 500,
            allowed: tuple[str, ...] = (),
            ports: Iterable[int] = range(1, 65_536),
            limits: Limits = Limits(),  # noqa: B008  # it is frozen
            lookup: Lookup | None = None,
        ) -> BrowserHarness:
            metrics = Metrics("test", "test")
            policy = EgressPolicy((site.address, web.address, *allowed), ports=ports)
            proxies = EgressProxyFactory(policy, metrics, limits=limits, lookup=lookup)
            launcher = ChromiumLauncher(
                chromium=chromium_path,
                sandbox=HAS_SANDBOX,
                max_memory=limits.memory,
                max_shared_memory=limits.shared_memory,
            )
            engine = Engine(launcher, slots=slots, recycle_after=recycle_after, metrics=metrics)
            image_engine = Engine(
                replace(launcher, load_images=True),
                slots=slots,
                recycle_after=recycle_after,
                metrics=metrics,
                is_warm=False,
            )
            await stack.enter_async_context(proxies)
            await stack.enter_async_context(image_engine)
            return BrowserHarness(
                await stack.enter_async_context(engine), proxies, metrics, image_engine
            )

        yield start


@pytest_asyncio.fixture
async def harness(start_harness: StartHarness) -> BrowserHarness:
    return await start_harness()
