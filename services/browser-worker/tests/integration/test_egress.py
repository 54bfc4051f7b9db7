"""What a page can reach: the real browser against the guard."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import psutil
import pytest
from playwright.async_api import Error as PlaywrightError

from msaas.browser_worker.browser import through
from msaas.browser_worker.egress import Egress
from msaas.browser_worker.failures import place_of
from msaas.browser_worker.guard import Guard, Refusal
from msaas.browser_worker.limits import Limits
from msaas.browser_worker.traffic import Traffic
from msaas.browser_worker.warden import list_group
from msaas.local.demo_site import DemoSite
from msaas.local.hostile_site import HostileSite
from msaas.telemetry import Metrics
from msaas.testing import wait_until
from msaas.worker import ActionFailed

Lookup = Callable[[str], Awaitable[Sequence[str]]]


def answers(*names: Sequence[str]) -> Lookup:
    """Return a name server that gives these answers in turn, the last of them for ever."""
    left = list(names)

    async def lookup(_host: str) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return lookup


async def refused(visit: Awaitable[object]) -> tuple[str, bool]:
    with pytest.raises(ActionFailed) as failed:
        await visit
    return failed.value.reason, failed.value.may_retry


@pytest.fixture
def hostile() -> Iterator[HostileSite]:
    with HostileSite() as hostile:
        yield hostile


def port_of(web: Any) -> str:
    return web.place.partition(":")[2]


async def test_a_private_address_is_not_visited(rig: Any, private: Any) -> None:
    assert await refused(rig.visit(f"{private.url}/")) == ("address_blocked", False)
    assert private.asked == []
    assert rig.count("jobs_browser_blocked_requests_total", reason="blocked") >= 1


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1"),
        *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0"),  # noqa: S104  # it is no binding
    ],
)
async def test_however_it_is_written(rig: Any, private: Any, host: str) -> None:
    reason, may_retry = await refused(rig.visit(f"http://{host}:{port_of(private)}/"))
    assert (reason, may_retry) == ("address_blocked", False)
    assert private.asked == []


async def test_metadata_is_not_visited(rig: Any) -> None:
    url = "http://169.254.169.254/latest/meta-data/"
    assert await refused(rig.visit(url)) == ("address_blocked", False)


async def test_a_redirect_leads_there_as_little(rig: Any, web: Any, private: Any) -> None:
    url = web.show("/away", "", status=302, location=f"{private.url}/")
    assert await refused(rig.visit(url)) == ("address_blocked", False)
    assert private.asked == []


async def test_nor_does_a_script_or_a_refresh(rig: Any, web: Any, private: Any) -> None:
    script = web.show("/s", f"<script>location = '{private.url}/'</script>")
    refresh = web.show("/r", f'<meta http-equiv=refresh content="0;url={private.url}/"><p>x</p>')
    for url in (script, refresh):
        reason, _ = await refused(rig.visit(url, wait_for_selector="#never", timeout_ms=1500))
        assert reason in {"selector_not_found", "address_blocked"}
    assert private.asked == []


async def test_where_such_a_page_ends_is_not_taken_for_a_page(
    rig: Any, web: Any, private: Any
) -> None:
    script = f"<p>x</p><script>setTimeout(() => location = '{private.url}/', 50)</script>"
    visit = rig.visit(web.show("/later", script), wait_until="networkidle")
    assert await refused(visit) == ("address_blocked", False)
    assert private.asked == []


async def test_what_a_page_loads_is_refused_while_the_page_is_read(
    rig: Any, web: Any, private: Any
) -> None:
    page = f"""<p>text</p><script src="{private.url}/a.js"></script>
      <iframe src="{private.url}/frame"></iframe>
      <script>
        fetch("{private.url}/fetch", {{mode: "no-cors"}}).catch(() => 0);
        new WebSocket("ws://{private.place}/socket");
        navigator.sendBeacon("{private.url}/beacon");
        new Worker(URL.createObjectURL(new Blob(["importScripts('{private.url}/worker.js')"])));
        open("{private.url}/popup");
      </script><link rel=preconnect href="{private.url}"><link rel=dns-prefetch href="//b.test">"""
    result = await rig.visit(web.show("/page", page), wait_until="networkidle")
    assert "text" in result.text
    assert private.asked == []


async def test_webrtc_sends_nothing_past_the_door(rig: Any, web: Any) -> None:
    """Nobody at the address hears of it, and the page learns no address of ours."""
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
        url = web.show("/rtc", page)
        result = await rig.visit(url, wait_for_selector="#done", selector="#c")
        assert result.text == ""
        with pytest.raises(BlockingIOError):
            stun.recv(100)


async def test_a_name_that_changes_its_mind_gains_nothing(
    start_rig: Any, web: Any, private: Any
) -> None:
    """The second answer of the name server is the private one: it is checked like the first."""
    rig = await start_rig(lookup=answers(["93.184.215.14", "127.0.0.1"], ["127.0.0.1"]))
    url = f"http://rebinding.test:{port_of(private)}/"
    for _ in range(2):
        assert await refused(rig.visit(url)) == ("address_blocked", False)
    assert private.asked == []


async def test_a_name_that_the_operator_allows_may_be_private(start_rig: Any, web: Any) -> None:
    web.show("/", "<h1>inside</h1>")
    place = f"inside.test:{port_of(web)}"
    rig = await start_rig(lookup=answers(["127.0.0.1"]), allowed=(place,))
    assert (await rig.visit(f"http://{place}/")).text == "inside"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (socket.EAI_NONAME, ("navigation_failed", False)),
        (socket.EAI_AGAIN, ("navigation_failed", True)),
    ],
)
async def test_a_name_that_is_none_is_not_looked_up_again(
    start_rig: Any, code: int, expected: tuple[str, bool]
) -> None:
    async def lookup(_host: str) -> Sequence[str]:
        raise socket.gaierror(code, "no")

    rig = await start_rig(lookup=lookup)
    assert await refused(rig.visit("http://nowhere.test/")) == expected


@pytest.mark.parametrize("url", ["file:///etc/passwd", "chrome://version", "view-source:http://a"])
async def test_a_page_cannot_lead_out_of_the_web(rig: Any, web: Any, url: str) -> None:
    frame = f'<p>here</p><iframe src="{url}"></iframe>'
    result = await rig.visit(web.show("/frame", frame), wait_until="domcontentloaded")
    assert result.text.startswith("here")
    assert "root:" not in result.text
    script = f'<p>here</p><script>location = "{url}"</script>'
    visit = rig.visit(web.show("/out", script), wait_for_selector="#never", timeout_ms=1500)
    reason, _ = await refused(visit)
    assert reason in {"selector_not_found", "address_blocked"}  # it stayed, or it lost its page


def sockets_of(rig: Any) -> list[Any]:
    """List the network sockets of all the browser's processes."""
    found: list[Any] = []
    for process in list_group(rig.engine._life.pid):
        with suppress(psutil.Error):
            found.extend(process.net_connections(kind="inet"))
    return found


async def test_whatever_a_page_tries_the_browser_speaks_to_its_door_alone(
    start_rig: Any, hostile: HostileSite
) -> None:
    """Neither the forbidden place nor a name server hears of it, over TCP or UDP."""
    rig = await start_rig(allowed=(hostile.place,))
    done = asyncio.Event()
    seen: set[tuple[str, int]] = set()

    async def watch_sockets() -> None:
        while not done.is_set():
            found = await asyncio.to_thread(sockets_of, rig)
            seen.update((one.raddr.ip, one.raddr.port) for one in found if one.raddr)
            datagrams = [one for one in found if one.type is socket.SOCK_DGRAM and one.raddr]
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
            url = f"{hostile.url}/reach?host={host}&port={port}"
            assert "tried" in (await rig.visit(url, wait_for_selector="text=tried")).text
        slow = asyncio.create_task(rig.visit(f"{hostile.url}/drip"))
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
    assert int(hostile.place.split(":")[1]) not in {at for _, at in seen}
    assert len(seen) <= 3  # the doors of three visits
    assert rig.count("jobs_browser_blocked_requests_total", reason="blocked") > 0


async def test_a_page_without_a_door_reaches_nothing(rig: Any, web: Any) -> None:
    web.show("/", "<h1>here</h1>")
    async with rig.engine.open_page() as page:
        with pytest.raises(PlaywrightError, match="ERR_PROXY_CONNECTION_FAILED"):
            await page.goto(web.url)
    assert web.asked == []


async def test_a_jobs_door_is_shut_with_its_page(rig: Any, web: Any) -> None:
    async with rig.egress.open_door() as door:
        port = int(door.url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_what_a_job_asked_of_the_network_is_counted(rig: Any, web: Any, private: Any) -> None:
    web.pages["/big.js"] = 200, {"content-type": "text/javascript"}, b"//" + b"x" * 100_000
    page = f'<p>x</p><script src="/big.js"></script><script src="{private.url}/no.js"></script>'
    url = web.show("/page", page)
    async with rig.egress.open_door() as door, rig.engine.open_page(through(door.url)) as opened:
        await opened.goto(url)
    host, port = place_of(web.url)
    places = dict(door.traffic.list_places())
    assert places[host, port].received > 100_000
    assert places[host, port].sent > 0
    assert places[host, int(port_of(private))].refusals >= 1
    assert door.traffic.received == places[host, port].received
    assert rig.count("jobs_browser_bytes_total", direction="received") == door.traffic.received


@pytest.mark.parametrize(
    "said",
    [
        *(
            b"",
            b"\x05",
            b"\x04\x01\x00",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x05\x01\x00\x05\x02\x00\x01",
        ),
        *(b"\x05\x01\x00\x05\x01\x00\x09", b"\x05\x01\x00\x05\x01\x00\x03\x02\xff\xff\x00\x50"),
    ],
)
async def test_nonsense_at_the_door_gets_nowhere(said: bytes) -> None:
    metrics = Metrics("test", "test")
    async with Egress(Guard(), metrics).open_door() as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(door.url.split(":")[2]))
        writer.write(said)
        writer.write_eof()
        heard = await reader.read()
        writer.close()
    assert heard in {b"", b"\x05\x00", b"\x05\x00" + b"\x05\x02" + bytes(8)}


def test_places_are_forgotten_in_the_end() -> None:
    traffic = Traffic(Limits(places=1_000))
    for number in range(1_500):
        traffic.note_refusal(f"h{number}.test", 80, Refusal.BLOCKED)
    assert traffic.find_refusal("h0.test", 80) is None
    assert traffic.find_refusal("H1499.test.", 80) is Refusal.BLOCKED


async def test_the_door_carries_much_both_ways(rig: Any, web: Any, site: DemoSite) -> None:
    web.pages["/big.js"] = 200, {"content-type": "text/javascript"}, b"//" + b"x" * 3_000_000
    page = web.show("/big", f'<p>{"y" * 1_000_000}</p><script src="/big.js"></script>')
    results = await asyncio.gather(*(rig.visit(page) for _ in range(4)))
    assert all(result.truncated for result in results)
