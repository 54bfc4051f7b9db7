"""Hostile pages: each visit ends in time, with a reason, and does not affect the next job."""

import asyncio
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from browser_worker_support import TASK, BrowserHarness, StartHarness
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hostile_site.server import HostileSite

from msaas.browser_worker.actions.rendering import MAX_PIXELS
from msaas.browser_worker.limits import MEGABYTE, Limits
from msaas.local.demo_site import DemoSite
from msaas.testing import wait_until
from msaas.worker import ActionFailed

LIMITS = Limits(received=8 * MEGABYTE, nodes=100_000, memory=300 * MEGABYTE)
TIMEOUT_MS = 3_000
# For visits that end much earlier, except on a loaded machine.
PATIENCE_MS = 25_000
TOO_LARGE = ("page_too_large", False)
ABUSIVE = ("page_abusive", False)
NAVIGATION_FAILED = ("navigation_failed", False)
BLOCKED = ("address_blocked", False)
DOWNLOAD_REFUSED = ("download_refused", False)
TOO_SLOW = ("timeout", True)


@pytest.fixture
def hostile_site() -> Iterator[HostileSite]:
    with HostileSite() as hostile:
        yield hostile


async def outcome(
    harness: BrowserHarness,
    url: str,
    *,
    timeout_ms: int = PATIENCE_MS,
    wait_until: str = "load",
    wait_for_selector: str | None = None,
) -> tuple[str, bool]:
    with pytest.raises(ActionFailed) as failed:
        await harness.run_task(
            TASK,
            url,
            timeout_ms=timeout_ms,
            wait_until=wait_until,
            wait_for_selector=wait_for_selector,
        )
    return failed.value.reason, failed.value.may_retry


async def is_unharmed(harness: BrowserHarness, site: DemoSite) -> None:
    """Assert that the next job succeeds and that nothing is left of the previous one."""
    assert (await harness.visit(f"{site.url}/article", selector="h2")).text == "Colour"
    assert harness.get_metric("jobs_browser_contexts") == 0
    assert harness.get_metric("circuit_state", target="playwright") == 0
    await wait_until(lambda: len(harness.list_page_processes()) == 1)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/redirects/999", NAVIGATION_FAILED),
        ("/redirects/11", NAVIGATION_FAILED),
        ("/drip", TOO_SLOW),
        ("/silent", TOO_SLOW),
        ("/endless", TOO_LARGE),
        ("/huge", TOO_LARGE),
        ("/bomb", TOO_LARGE),
        ("/loop", TOO_SLOW),
        ("/loop-at-once", TOO_SLOW),
        ("/alerts", ABUSIVE),
        ("/popups", ABUSIVE),
        ("/hoard-at-once", TOO_LARGE),
        ("/download", DOWNLOAD_REFUSED),
        ("/short", ("navigation_failed", True)),
        ("/huge-head", NAVIGATION_FAILED),
        ("/not-packed", ("navigation_failed", True)),
        ("/away?to=http://169.254.169.254/", BLOCKED),
        ("/away?to=file:///etc/passwd", NAVIGATION_FAILED),
        ("/away?to=data:text/html,x", NAVIGATION_FAILED),
    ],
)
async def test_a_hostile_page_fails_with_a_reason(
    start_harness: StartHarness,
    hostile_site: HostileSite,
    site: DemoSite,
    path: str,
    expected: tuple[str, bool],
) -> None:
    harness = await start_harness(allowed=(hostile_site.address,), limits=LIMITS)
    timeout_ms = TIMEOUT_MS if expected == TOO_SLOW else PATIENCE_MS
    assert await outcome(harness, f"{hostile_site.url}{path}", timeout_ms=timeout_ms) == expected
    await is_unharmed(harness, site)


async def test_an_endless_file_is_refused_or_too_large(
    start_harness: StartHarness, hostile_site: HostileSite, site: DemoSite
) -> None:
    """Which limit is exceeded first depends on the machine."""
    harness = await start_harness(allowed=(hostile_site.address,), limits=LIMITS)
    assert await outcome(harness, f"{hostile_site.url}/endless-file") in {
        DOWNLOAD_REFUSED,
        TOO_LARGE,
    }
    await is_unharmed(harness, site)


@pytest.mark.parametrize(("path", "expected"), [("/grow", TOO_LARGE), ("/hoard", TOO_LARGE)])
async def test_a_page_that_grows_is_ended(
    start_harness: StartHarness,
    hostile_site: HostileSite,
    site: DemoSite,
    path: str,
    expected: tuple[str, bool],
) -> None:
    harness = await start_harness(allowed=(hostile_site.address,), limits=LIMITS)
    visit = outcome(harness, f"{hostile_site.url}{path}", wait_for_selector="#never")
    assert await visit == expected
    await is_unharmed(harness, site)


@pytest.mark.parametrize("path", ["/blobs", "/caches"])
async def test_a_page_that_fills_the_browsers_own_memory_is_ended(
    start_harness: StartHarness, hostile_site: HostileSite, site: DemoSite, path: str
) -> None:
    """Blobs and caches are in the processes that all pages share."""
    limits = Limits(shared_memory=400 * MEGABYTE)
    harness = await start_harness(allowed=(hostile_site.address,), limits=limits)
    visit = outcome(harness, f"{hostile_site.url}{path}", wait_for_selector="#never")
    assert await visit == TOO_LARGE
    await is_unharmed(harness, site)


async def test_a_browser_that_keeps_too_much_memory_is_killed_and_replaced(
    start_harness: StartHarness, hostile_site: HostileSite
) -> None:
    harness = await start_harness(allowed=(hostile_site.address,), limits=Limits(shared_memory=1))
    pid = harness.browser_pid
    assert await outcome(harness, f"{hostile_site.url}/", wait_for_selector="#never") == TOO_LARGE
    await wait_until(lambda: not psutil.pid_exists(pid))
    await wait_until(lambda: harness.get_metric("jobs_browser_recycles_total", reason="ended") == 1)
    await wait_until(lambda: harness.browser_pid != pid)


@pytest.mark.parametrize("what", [{"full_page": True}, {"selector": "#wide"}])
async def test_a_wide_page_is_drawn_in_part(
    start_harness: StartHarness, hostile_site: HostileSite, what: dict[str, Any]
) -> None:
    harness = await start_harness(allowed=(hostile_site.address,))
    result = await harness.run_task("capture_screenshot", f"{hostile_site.url}/wide", **what)
    assert result.truncated
    assert result.width * result.height <= MAX_PIXELS


OVERRIDDEN_READS: list[tuple[str, dict[str, Any]]] = [
    (TASK, {}),
    (TASK, {"selector": "#said"}),
    (TASK, {"selector": "//p"}),
    ("extract_markdown", {}),
    ("extract_links", {}),
    ("extract_structured", {"fields": {"said": {"selector": "#said"}}}),
    ("run_steps", {"steps": [{"do": "extract", "name": "said", "selector": "#said"}]}),
    ("crawl_site", {"max_pages": 1}),
]


@pytest.mark.parametrize(("task_type", "params"), OVERRIDDEN_READS)
async def test_a_page_that_overrides_what_our_scripts_use_is_read_as_it_is(
    start_harness: StartHarness,
    hostile_site: HostileSite,
    task_type: str,
    params: dict[str, Any],
) -> None:
    harness = await start_harness(allowed=(hostile_site.address,))
    result = await harness.run_task(task_type, f"{hostile_site.url}/overridden", **params)
    read = result.model_dump_json()
    assert "true" in read.replace('"truncated":true', "").replace('"in_origin":true', "")
    assert "falsefalse" not in read


async def test_a_page_that_overrides_its_text_is_read_by_a_selector_of_the_driver(
    start_harness: StartHarness, hostile_site: HostileSite
) -> None:
    """The driver finds such an element with scripts in the page's world, which a page may break."""
    harness = await start_harness(allowed=(hostile_site.address,))
    url = f"{hostile_site.url}/overridden-text"
    result = await harness.visit(url, selector="p:has-text('true')")
    assert (result.text, result.title) == ("true", "true")


async def test_a_high_page_that_denies_its_height_is_cut(
    start_harness: StartHarness, hostile_site: HostileSite
) -> None:
    harness = await start_harness(allowed=(hostile_site.address,))
    url = f"{hostile_site.url}/overridden"
    result = await harness.run_task("capture_screenshot", url, full_page=True)
    assert (result.height, result.truncated) == (16_000, True)


async def test_a_page_that_refreshes_to_the_metadata_is_blocked(
    start_harness: StartHarness, hostile_site: HostileSite, site: DemoSite
) -> None:
    harness = await start_harness(allowed=(hostile_site.address,), limits=LIMITS)
    visit = outcome(harness, f"{hostile_site.url}/metadata", wait_until="networkidle")
    assert await visit == BLOCKED
    await is_unharmed(harness, site)


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/redirects/10", 200, "Trouble"),
        ("/leaving", 200, "a"),
        ("/downloads", 200, "a"),
        ("/auth", 401, "who?"),
        ("/json", 200, '{"a": 1}'),
        ("/latin-as-utf8", 200, "caf\ufffd"),
        ("/no-such-charset", 200, "plain"),
        ("/status/404", 404, "status 404"),
        ("/status/503", 503, "status 503"),
        ("/image", 200, ""),
    ],
)
async def test_an_unusual_page_is_read(
    start_harness: StartHarness,
    hostile_site: HostileSite,
    site: DemoSite,
    path: str,
    status: int,
    text: str,
) -> None:
    harness = await start_harness(allowed=(hostile_site.address,), limits=LIMITS)
    result = await harness.visit(f"{hostile_site.url}{path}", timeout_ms=PATIENCE_MS)
    assert (result.status, result.text.partition("\n")[0]) == (status, text)
    await is_unharmed(harness, site)


@pytest.mark.parametrize("path", ["/utf16-as-utf8", "/unclosed", "/rewrites", "/nonsense-kind"])
async def test_a_page_that_is_hard_to_read_ends_in_time(
    start_harness: StartHarness, hostile_site: HostileSite, site: DemoSite, path: str
) -> None:
    harness = await start_harness(allowed=(hostile_site.address,), limits=LIMITS)
    visit = asyncio.ensure_future(harness.visit(f"{hostile_site.url}{path}", timeout_ms=TIMEOUT_MS))
    await asyncio.wait([visit])
    failure = visit.exception()
    if isinstance(failure, ActionFailed):
        assert failure.reason in {"timeout", "download_refused", "page_failed"}
    else:
        assert "\0" not in visit.result().text
    await is_unharmed(harness, site)


async def test_a_page_that_ends_its_own_process_fails_alone(
    start_harness: StartHarness, hostile_site: HostileSite, site: DemoSite
) -> None:
    harness = await start_harness(allowed=(hostile_site.address,), limits=LIMITS)
    visit = asyncio.create_task(outcome(harness, f"{hostile_site.url}/drip"))
    await wait_until(lambda: harness.last_run and "open" in harness.last_run.timings)
    page = min(harness.list_page_processes(), key=lambda pid: psutil.Process(pid).create_time())
    neighbour = asyncio.create_task(harness.visit(f"{site.url}/slow?ms=1500"))
    psutil.Process(page).kill()  # like a crash of the engine
    assert await visit == ("page_crashed", True)
    assert (await neighbour).status == 200
    await is_unharmed(harness, site)


async def test_a_hung_page_is_killed_with_its_visit(
    start_harness: StartHarness, hostile_site: HostileSite, site: DemoSite
) -> None:
    harness = await start_harness(allowed=(hostile_site.address,), limits=LIMITS)
    assert (
        await outcome(harness, f"{hostile_site.url}/loop-at-once", timeout_ms=TIMEOUT_MS)
        == TOO_SLOW
    )
    await wait_until(lambda: len(harness.list_page_processes()) == 1)
    assert harness.get_metric("jobs_browser_recycles_total", reason="worn") == 0
    await is_unharmed(harness, site)


async def test_a_service_worker_does_not_stay(
    start_harness: StartHarness, hostile_site: HostileSite, site: DemoSite
) -> None:
    harness = await start_harness(allowed=(hostile_site.address,), limits=LIMITS)
    for _ in range(2):
        result = await harness.visit(
            f"{hostile_site.url}/service-worker", wait_for_selector="#said:not(:empty)"
        )
        assert result.text in {"none", "refused", "inactive"}
    assert (await harness.visit(f"{hostile_site.url}/")).text == "Trouble"
    await is_unharmed(harness, site)


async def test_data_that_a_page_stores_is_not_there_for_the_next(
    start_harness: StartHarness, hostile_site: HostileSite
) -> None:
    harness = await start_harness(allowed=(hostile_site.address,), limits=LIMITS)
    for _ in range(2):
        assert (
            await harness.visit(f"{hostile_site.url}/remember", selector="#found")
        ).text == "nothing"
    found = "#found:not(:empty)"
    result = await harness.visit(
        f"{hostile_site.url}/databases", wait_for_selector=found, selector=found
    )
    assert result.text.lstrip("0") == " kept"


async def test_a_page_with_too_many_connections_gets_no_more(
    start_harness: StartHarness, hostile_site: HostileSite, site: DemoSite
) -> None:
    async def lookup(_host: str) -> Sequence[str]:
        return ["127.0.0.1"]

    allowed = (hostile_site.address, ".many.test")
    harness = await start_harness(allowed=allowed, limits=Limits(connections=8), lookup=lookup)
    visit = outcome(
        harness, f"{hostile_site.url}/many", wait_for_selector="#never", timeout_ms=TIMEOUT_MS
    )
    assert await visit == ("selector_not_found", False)
    assert harness.get_metric("jobs_browser_blocked_requests_total", reason="spent") > 0
    await is_unharmed(harness, site)


async def test_a_page_that_leads_to_another_scheme_is_blocked(
    start_harness: StartHarness, hostile_site: HostileSite, site: DemoSite
) -> None:
    harness = await start_harness(allowed=(hostile_site.address,), limits=LIMITS)
    assert (
        await outcome(harness, f"{hostile_site.url}/schemes", wait_for_selector="#never") == BLOCKED
    )
    await is_unharmed(harness, site)


async def test_a_self_signed_certificate_is_not_accepted(
    start_harness: StartHarness, site: DemoSite, tmp_path: Path
) -> None:
    with HostileSite() as hostile:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certify_oneself(tmp_path))
        hostile.server.socket = context.wrap_socket(hostile.server.socket, server_side=True)
        harness = await start_harness(allowed=(hostile.address,))
        assert await outcome(harness, f"https://{hostile.address}/") == NAVIGATION_FAILED
    await is_unharmed(harness, site)


def certify_oneself(folder: Path) -> Path:
    """Write a key and a self-signed certificate into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    kind = serialization.PrivateFormat.PKCS8
    pem = serialization.Encoding.PEM
    file = folder / "self-signed.pem"
    file.write_bytes(key.private_bytes(pem, kind, plain) + made.public_bytes(pem))
    return file


async def test_random_scenarios_do_not_affect_other_pages(
    start_harness: StartHarness, hostile_site: HostileSite, site: DemoSite
) -> None:
    harness = await start_harness(slots=3, allowed=(hostile_site.address,), limits=LIMITS)
    floods = [outcome(harness, f"{hostile_site.url}{path}") for path in ("/popups", "/alerts")]
    calm = [
        harness.visit(f"{site.url}/article", selector="h2", timeout_ms=20_000) for _ in range(3)
    ]
    flooded, served = await asyncio.gather(asyncio.gather(*floods), asyncio.gather(*calm))
    assert flooded == [ABUSIVE, ABUSIVE]
    assert {result.text for result in served} == {"Colour"}
    await is_unharmed(harness, site)


async def test_a_page_of_many_names_has_few_of_them_looked_up_at_once(
    start_harness: StartHarness, site: DemoSite, hostile_site: HostileSite
) -> None:
    lookups, most = 0, 0

    async def never(_host: str) -> list[str]:
        nonlocal lookups, most
        lookups += 1
        most = max(most, lookups)
        try:
            await asyncio.sleep(60)
        finally:
            lookups -= 1
        return []

    harness = await start_harness(allowed=(hostile_site.address,), lookup=never)
    await harness.visit(f"{hostile_site.url}/many")
    await is_unharmed(harness, site)
    assert 1 <= most <= 8
    assert lookups == 0
