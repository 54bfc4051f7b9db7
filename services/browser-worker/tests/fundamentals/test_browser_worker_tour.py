"""A tutorial: the egress policy, the egress proxy, and a visit."""

from pathlib import Path

from browser_worker_support import HAS_SANDBOX

from msaas.browser_worker.browser.instance import ChromiumLauncher, proxy_options
from msaas.browser_worker.egress.policy import EgressPolicy, Refusal
from msaas.browser_worker.egress.proxy import EgressProxyFactory
from msaas.browser_worker.engine import Engine
from msaas.browser_worker.run import make_actions
from msaas.contracts import NavigateAndExtractTextParams, NavigateAndExtractTextResult, Progress
from msaas.kernel import SystemClock
from msaas.local.demo_site import DemoSite
from msaas.telemetry import Metrics
from msaas.testing import build_job_envelope
from msaas.worker import RunContext


def test_the_policy_allows_public_addresses_and_hosts_of_the_operator() -> None:
    policy = EgressPolicy(("demo-site:8010",))
    assert policy.find_refusal("example.com", 443, ["93.184.215.14"]) is None
    assert policy.find_refusal("demo-site", 8010, ["10.0.0.7"]) is None
    assert policy.find_refusal("dashboard", 80, ["10.0.0.8"]) is Refusal.BLOCKED
    assert policy.find_refusal("example.com", 6379, ["93.184.215.14"]) is Refusal.PORT


async def test_the_browser_connects_through_its_egress_proxy_only(
    chromium_path: Path, site: DemoSite
) -> None:
    metrics = Metrics("tour", "test")
    launch = ChromiumLauncher(chromium=chromium_path, sandbox=HAS_SANDBOX)
    async with (
        Engine(launch, slots=1, recycle_after=500, metrics=metrics) as engine,
        EgressProxyFactory(EgressPolicy(), metrics).open_proxy() as proxy,
        engine.open_page(proxy_options(proxy.url)) as page,
    ):
        await page.evaluate(f"fetch('{site.url}').catch(() => 0)")
        [(endpoint, traffic)] = proxy.traffic.list_endpoints()
    assert endpoint == ("127.0.0.1", int(site.address.split(":")[1]))
    assert (traffic.connections, traffic.refusal) == (0, Refusal.PORT)


async def test_a_visit_is_one_run_of_a_job(chromium_path: Path, site: DemoSite) -> None:
    async def send_progress(_progress: Progress) -> None: ...

    async def is_cancelled() -> bool:
        return False

    metrics = Metrics("tour", "test")
    proxies = EgressProxyFactory(EgressPolicy((site.address,)), metrics)
    launch = ChromiumLauncher(chromium=chromium_path, sandbox=HAS_SANDBOX)
    async with (
        proxies as egress,
        Engine(launch, slots=1, recycle_after=500, metrics=metrics) as engine,
    ):
        task = "navigate_and_extract_text"
        run = RunContext(
            build_job_envelope(task_type=task),
            NavigateAndExtractTextParams(url=f"{site.url}/article", selector="h1"),
            clock=SystemClock(),
            timeout=30,
            send_progress=send_progress,
            is_cancelled=is_cancelled,
        )
        result = await make_actions(engine, egress, metrics)[task].run(run)
    assert isinstance(result, NavigateAndExtractTextResult)
    assert (result.status, result.text) == (200, "How a light is read")
