"""What a page can reach, with a real browser."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import psutil
import pytest
from browser_worker_support import BrowserHarness, FakeWebServer, StartHarness
from hostile_site.server import HostileSite
from playwright.async_api import Error as PlaywrightError

from msaas.browser_worker.browser.instance import proxy_options
from msaas.browser_worker.browser.memory_watchdog import list_process_group
from msaas.browser_worker.egress.policy import EgressPolicy, Refusal
from msaas.browser_worker.egress.proxy import EgressProxyFactory
from msaas.browser_worker.egress.traffic import TrafficLog
from msaas.browser_worker.failures import host_and_port
from msaas.browser_worker.limits import Limits
from msaas.local.demo_site import DemoSite
from msaas.telemetry import Metrics
from msaas.testing import wait_until
from msaas.worker import ActionFailed

Lookup = Callable[[str], Awaitable[Sequence[str]]]


def fixed_lookup(*names: Sequence[str]) -> Lookup:
    """Return a name server that gives these answers in turn, then the last one."""
    left = list(names)

    async def lookup(_host: str) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return lookup


async def get_failure(visit: Awaitable[object]) -> tuple[str, bool]:
    with pytest.raises(ActionFailed) as failed:
        await visit
    return failed.value.reason, failed.value.may_retry


@pytest.fixture
def hostile_site() -> Iterator[HostileSite]:
    with HostileSite() as hostile:
        yield hostile


def port_of(web: FakeWebServer) -> str:
    return web.address.partition(":")[2]


async def test_a_private_address_is_not_visited(
    harness: BrowserHarness, private_server: FakeWebServer
) -> None:
    assert await get_failure(harness.visit(f"{private_server.url}/")) == ("address_blocked", False)
    assert private_server.requests == []
    assert harness.get_metric("jobs_browser_blocked_requests_total", reason="blocked") >= 1


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1"),
        *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0"),  # noqa: S104  # not bound
    ],
)
async def test_other_spellings_of_a_private_address_are_not_visited(
    harness: BrowserHarness, private_server: FakeWebServer, host: str
) -> None:
    reason, may_retry = await get_failure(
        harness.visit(f"http://{host}:{port_of(private_server)}/")
    )
    assert (reason, may_retry) == ("address_blocked", False)
    assert private_server.requests == []


async def test_metadata_is_not_visited(harness: BrowserHarness) -> None:
    url = "http://169.254.169.254/latest/meta-data/"
    assert await get_failure(harness.visit(url)) == ("address_blocked", False)


async def test_a_redirect_to_a_private_address_is_blocked(
    harness: BrowserHarness, web: FakeWebServer, private_server: FakeWebServer
) -> None:
    url = web.add_page("/away", "", status=302, location=f"{private_server.url}/")
    assert await get_failure(harness.visit(url)) == ("address_blocked", False)
    assert private_server.requests == []


async def test_a_script_or_a_refresh_to_a_private_address_is_blocked(
    harness: BrowserHarness, web: FakeWebServer, private_server: FakeWebServer
) -> None:
    script = web.add_page("/s", f"<script>location = '{private_server.url}/'</script>")
    refresh = web.add_page(
        "/r", f'<meta http-equiv=refresh content="0;url={private_server.url}/"><p>x</p>'
    )
    for url in (script, refresh):
        reason, _ = await get_failure(
            harness.visit(url, wait_for_selector="#never", timeout_ms=1500)
        )
        assert reason in {"selector_not_found", "address_blocked"}
    assert private_server.requests == []


async def test_the_error_page_of_a_blocked_navigation_is_not_a_result(
    harness: BrowserHarness, web: FakeWebServer, private_server: FakeWebServer
) -> None:
    script = f"<p>x</p><script>setTimeout(() => location = '{private_server.url}/', 50)</script>"
    visit = harness.visit(web.add_page("/later", script), wait_until="networkidle")
    assert await get_failure(visit) == ("address_blocked", False)
    assert private_server.requests == []


async def test_a_blocked_resource_does_not_fail_the_page(
    harness: BrowserHarness, web: FakeWebServer, private_server: FakeWebServer
) -> None:
    origin = private_server.url
    page = f"""<p>text</p><script src="{origin}/a.js"></script>
      <iframe src="{origin}/frame"></iframe>
      <script>
        fetch("{origin}/fetch", {{mode: "no-cors"}}).catch(() => 0);
        new WebSocket("ws://{private_server.address}/socket");
        navigator.sendBeacon("{origin}/beacon");
        new Worker(URL.createObjectURL(new Blob(["importScripts('{origin}/worker.js')"])));
        open("{origin}/popup");
      </script><link rel=preconnect href="{origin}"><link rel=dns-prefetch href="//b.test">"""
    result = await harness.visit(web.add_page("/page", page), wait_until="networkidle")
    assert "text" in result.text
    assert private_server.requests == []


async def test_webrtc_does_not_bypass_the_proxy(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    """The address receives nothing, and the page gets no local address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stun:
        stun.bind(("127.0.0.1", 0))
        stun.setblocking(False)  # noqa: FBT003  # the socket's own signature
        page = f"""<p id=c></p><p id=done></p><script>
          const peer = new RTCPeerConnection(
            {{iceServers: [{{urls: "stun:127.0.0.1:{stun.getsockname()[1]}"}}]}});
          peer.createDataChannel("d");
          peer.onicecandidate = e => {{
            const place = document.getElementById(e.candidate ? "c" : "done");
            place.textContent += e.candidate?.address ?? "done";
          }};
          peer.createOffer().then(o => peer.setLocalDescription(o));
        </script>"""
        url = web.add_page("/rtc", page)
        result = await harness.visit(url, wait_for_selector="#done", selector="#c")
        assert result.text == ""
        with pytest.raises(BlockingIOError):
            stun.recv(100)


async def test_dns_rebinding_has_no_effect(
    start_harness: StartHarness, web: FakeWebServer, private_server: FakeWebServer
) -> None:
    """The name server's second answer is a private address: it is checked like the first."""
    harness = await start_harness(
        lookup=fixed_lookup(["93.184.215.14", "127.0.0.1"], ["127.0.0.1"])
    )
    url = f"http://rebinding.test:{port_of(private_server)}/"
    for _ in range(2):
        assert await get_failure(harness.visit(url)) == ("address_blocked", False)
    assert private_server.requests == []


async def test_a_name_that_the_operator_allows_may_be_private(
    start_harness: StartHarness, web: FakeWebServer
) -> None:
    web.add_page("/", "<h1>inside</h1>")
    endpoint = f"inside.test:{port_of(web)}"
    harness = await start_harness(lookup=fixed_lookup(["127.0.0.1"]), allowed=(endpoint,))
    assert (await harness.visit(f"http://{endpoint}/")).text == "inside"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (socket.EAI_NONAME, ("address_blocked", False)),
        (socket.EAI_AGAIN, ("navigation_failed", True)),
    ],
)
async def test_an_unknown_host_fails_like_a_blocked_one(
    start_harness: StartHarness, code: int, expected: tuple[str, bool]
) -> None:
    async def lookup(_host: str) -> Sequence[str]:
        raise socket.gaierror(code, "no")

    harness = await start_harness(lookup=lookup)
    assert await get_failure(harness.visit("http://nowhere.test/")) == expected


@pytest.mark.parametrize("url", ["file:///etc/passwd", "chrome://version", "view-source:http://a"])
async def test_a_page_cannot_navigate_to_other_schemes(
    harness: BrowserHarness, web: FakeWebServer, url: str
) -> None:
    frame = f'<p>here</p><iframe src="{url}"></iframe>'
    result = await harness.visit(web.add_page("/frame", frame), wait_until="domcontentloaded")
    assert result.text.startswith("here")
    assert "root:" not in result.text
    script = f'<p>here</p><script>location = "{url}"</script>'
    visit = harness.visit(web.add_page("/out", script), wait_for_selector="#never", timeout_ms=1500)
    reason, _ = await get_failure(visit)
    assert reason in {"selector_not_found", "address_blocked"}  # the page stayed, or was blocked


def sockets_of(harness: BrowserHarness) -> list[Any]:
    """List the network sockets of all the browser's processes."""
    found: list[Any] = []
    for process in list_process_group(harness.browser_pid):
        with suppress(psutil.Error):
            found.extend(process.net_connections(kind="inet"))
    return found


async def test_the_browser_connects_to_its_proxy_only(
    start_harness: StartHarness, hostile_site: HostileSite
) -> None:
    """Neither the denied endpoint nor a name server receives anything, over TCP or UDP."""
    harness = await start_harness(allowed=(hostile_site.address,))
    done = asyncio.Event()
    seen: set[tuple[str, int]] = set()

    async def watch_sockets() -> None:
        while not done.is_set():
            found = await asyncio.to_thread(sockets_of, harness)
            seen.update(
                (connection.raddr.ip, connection.raddr.port)
                for connection in found
                if connection.raddr
            )
            datagrams = [
                connection
                for connection in found
                if connection.type is socket.SOCK_DGRAM and connection.raddr
            ]
            assert datagrams == []
            await asyncio.sleep(0.02)

    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        tcp.setblocking(False)  # noqa: FBT003  # the socket's own signature
        udp.setblocking(False)  # noqa: FBT003  # as above
        watching = asyncio.create_task(watch_sockets())
        for host in ("127.0.0.1", "localhost"):
            url = f"{hostile_site.url}/reach?host={host}&port={port}"
            assert "tried" in (await harness.visit(url, wait_for_selector="text=tried")).text
        slow = asyncio.create_task(harness.visit(f"{hostile_site.url}/drip"))
        await wait_until(lambda: seen)  # a busy machine may have missed the visits before
        slow.cancel()
        await asyncio.wait([slow])
        done.set()
        await watching
        for listener in (tcp.accept, lambda: udp.recv(100)):
            with pytest.raises(BlockingIOError):
                listener()
    assert {host for host, _ in seen} == {"127.0.0.1"}
    assert port not in {at for _, at in seen}
    assert int(hostile_site.address.split(":")[1]) not in {at for _, at in seen}
    assert len(seen) <= 3  # the egress proxies of three visits
    assert harness.get_metric("jobs_browser_blocked_requests_total", reason="blocked") > 0


async def test_a_page_without_a_proxy_reaches_nothing(
    harness: BrowserHarness, web: FakeWebServer
) -> None:
    web.add_page("/", "<h1>here</h1>")
    async with harness.engine.open_page() as page:
        with pytest.raises(PlaywrightError, match="ERR_PROXY_CONNECTION_FAILED"):
            await page.goto(web.url)
    assert web.requests == []


async def test_a_proxy_closes_with_its_page(harness: BrowserHarness, web: FakeWebServer) -> None:
    async with harness.egress.open_proxy() as proxy:
        port = int(proxy.url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_traffic_of_a_job_is_counted(
    harness: BrowserHarness, web: FakeWebServer, private_server: FakeWebServer
) -> None:
    web.pages["/big.js"] = 200, {"content-type": "text/javascript"}, b"//" + b"x" * 100_000
    page = (
        f'<p>x</p><script src="/big.js"></script><script src="{private_server.url}/no.js"></script>'
    )
    url = web.add_page("/page", page)
    async with (
        harness.egress.open_proxy() as proxy,
        harness.engine.open_page(proxy_options(proxy.url)) as opened,
    ):
        await opened.goto(url)
    host, port = host_and_port(web.url)
    endpoints = dict(proxy.traffic.list_endpoints())
    assert endpoints[host, port].received > 100_000
    assert endpoints[host, port].sent > 0
    assert endpoints[host, int(port_of(private_server))].refusals >= 1
    assert proxy.traffic.received == endpoints[host, port].received
    assert (
        harness.get_metric("jobs_browser_bytes_total", direction="received")
        == proxy.traffic.received
    )


@pytest.mark.parametrize(
    "request_bytes",
    [
        *(
            b"",
            b"\x05",
            b"\x04\x01\x00",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x05\x01\x00\x05\x02\x00\x01",
        ),
        b"\x05\x01\x00\x05\x01\x00\x03\x0blocalhost\0a\x00\x50",
        *(b"\x05\x01\x00\x05\x01\x00\x09", b"\x05\x01\x00\x05\x01\x00\x03\x02\xff\xff\x00\x50"),
    ],
)
async def test_invalid_socks_requests_are_dropped(request_bytes: bytes) -> None:
    metrics = Metrics("test", "test")
    async with EgressProxyFactory(EgressPolicy(), metrics).open_proxy() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.split(":")[2]))
        writer.write(request_bytes)
        writer.write_eof()
        received = await reader.read()
        writer.close()
    assert received in {b"", b"\x05\x00", b"\x05\x00" + b"\x05\x02" + bytes(8)}
    assert not proxy.traffic.list_endpoints()


def test_old_endpoints_are_evicted() -> None:
    traffic = TrafficLog(Limits(tracked_endpoints=1_000))
    for number in range(1_500):
        traffic.record_refusal(f"h{number}.test", 80, Refusal.BLOCKED)
    assert traffic.find_refusal("h0.test", 80) is None
    assert traffic.find_refusal("H1499.test.", 80) is Refusal.BLOCKED


async def test_the_proxy_relays_large_bodies_both_ways(
    harness: BrowserHarness, web: FakeWebServer, site: DemoSite
) -> None:
    web.pages["/big.js"] = 200, {"content-type": "text/javascript"}, b"//" + b"x" * 3_000_000
    page = web.add_page("/big", f'<p>{"y" * 1_000_000}</p><script src="/big.js"></script>')
    results = await asyncio.gather(*(harness.visit(page) for _ in range(4)))
    assert all(result.truncated for result in results)
