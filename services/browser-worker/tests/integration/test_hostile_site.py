"""Pages that mean harm: each ends in its time, for a reason, and the next job does not notice."""

import asyncio
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from msaas.browser_worker.limits import MEGABYTE, Limits
from msaas.local.demo_site import DemoSite
from msaas.local.hostile_site import HostileSite
from msaas.testing import wait_until
from msaas.worker import ActionFailed

LIMITS = Limits(received=8 * MEGABYTE, nodes=100_000, memory=300 * MEGABYTE)
TIMEOUT_MS = 3_000
# For what ends long before, but not on a machine that is busy with something else.
PATIENCE_MS = 25_000
TOO_LARGE = ("page_too_large", False)
ABUSIVE = ("page_abusive", False)
LOST_WAY = ("navigation_failed", False)
BLOCKED = ("address_blocked", False)
NO_PAGE = ("download_refused", False)
TOO_SLOW = ("timeout", True)


@pytest.fixture
def hostile() -> Iterator[HostileSite]:
    with HostileSite() as hostile:
        yield hostile


async def outcome(rig: Any, url: str, **params: Any) -> tuple[str, bool]:
    with pytest.raises(ActionFailed) as failed:
        await rig.visit(url, **{"timeout_ms": PATIENCE_MS, **params})
    return failed.value.reason, failed.value.may_retry


async def is_unharmed(rig: Any, site: DemoSite) -> None:
    """See the next job served, and nothing left of the one before."""
    assert (await rig.visit(f"{site.url}/article", selector="h2")).text == "Colour"
    assert rig.count("jobs_browser_contexts") == 0
    assert rig.count("circuit_state", target="playwright") == 0
    await wait_until(lambda: len(rig.list_pages()) == 1)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/redirects/999", LOST_WAY),
        ("/redirects/11", LOST_WAY),
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
        ("/download", NO_PAGE),
        ("/short", ("navigation_failed", True)),
        ("/huge-head", LOST_WAY),
        ("/not-packed", ("navigation_failed", True)),
        ("/away?to=http://169.254.169.254/", BLOCKED),
        ("/away?to=file:///etc/passwd", LOST_WAY),
        ("/away?to=data:text/html,x", LOST_WAY),
    ],
)
async def test_a_page_that_means_harm_fails_for_a_reason(
    start_rig: Any, hostile: HostileSite, site: DemoSite, path: str, expected: tuple[str, bool]
) -> None:
    rig = await start_rig(allowed=(hostile.place,), limits=LIMITS)
    timeout_ms = TIMEOUT_MS if expected == TOO_SLOW else PATIENCE_MS
    assert await outcome(rig, f"{hostile.url}{path}", timeout_ms=timeout_ms) == expected
    await is_unharmed(rig, site)


async def test_a_file_without_end_is_no_page_or_too_much_of_one(
    start_rig: Any, hostile: HostileSite, site: DemoSite
) -> None:
    """Which of the two is noticed first, is the machine's to say."""
    rig = await start_rig(allowed=(hostile.place,), limits=LIMITS)
    assert await outcome(rig, f"{hostile.url}/endless-file") in {NO_PAGE, TOO_LARGE}
    await is_unharmed(rig, site)


@pytest.mark.parametrize(("path", "expected"), [("/grow", TOO_LARGE), ("/hoard", TOO_LARGE)])
async def test_a_page_that_grows_is_ended(
    start_rig: Any, hostile: HostileSite, site: DemoSite, path: str, expected: tuple[str, bool]
) -> None:
    rig = await start_rig(allowed=(hostile.place,), limits=LIMITS)
    visit = outcome(rig, f"{hostile.url}{path}", wait_for_selector="#never")
    assert await visit == expected
    await is_unharmed(rig, site)


async def test_a_page_that_refreshes_to_the_metadata_is_blocked(
    start_rig: Any, hostile: HostileSite, site: DemoSite
) -> None:
    rig = await start_rig(allowed=(hostile.place,), limits=LIMITS)
    visit = outcome(rig, f"{hostile.url}/metadata", wait_until="networkidle")
    assert await visit == BLOCKED
    await is_unharmed(rig, site)


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
async def test_a_page_that_is_merely_odd_is_read(
    start_rig: Any, hostile: HostileSite, site: DemoSite, path: str, status: int, text: str
) -> None:
    rig = await start_rig(allowed=(hostile.place,), limits=LIMITS)
    result = await rig.visit(f"{hostile.url}{path}", timeout_ms=PATIENCE_MS)
    assert (result.status, result.text.partition("\n")[0]) == (status, text)
    await is_unharmed(rig, site)


@pytest.mark.parametrize("path", ["/utf16-as-utf8", "/unclosed", "/rewrites", "/nonsense-kind"])
async def test_what_is_hard_to_read_comes_to_an_end(
    start_rig: Any, hostile: HostileSite, site: DemoSite, path: str
) -> None:
    rig = await start_rig(allowed=(hostile.place,), limits=LIMITS)
    visit = asyncio.ensure_future(rig.visit(f"{hostile.url}{path}", timeout_ms=TIMEOUT_MS))
    await asyncio.wait([visit])
    failure = visit.exception()
    if isinstance(failure, ActionFailed):
        assert failure.reason in {"timeout", "download_refused", "page_failed"}
    else:
        assert "\0" not in visit.result().text
    await is_unharmed(rig, site)


async def test_a_page_that_ends_its_own_process_fails_alone(
    start_rig: Any, hostile: HostileSite, site: DemoSite
) -> None:
    rig = await start_rig(allowed=(hostile.place,), limits=LIMITS)
    visit = asyncio.create_task(outcome(rig, f"{hostile.url}/drip"))
    await wait_until(lambda: rig.run and "open" in rig.run.timings)
    page = min(rig.list_pages(), key=lambda one: psutil.Process(one).create_time())
    neighbour = asyncio.create_task(rig.visit(f"{site.url}/slow?ms=1500"))
    psutil.Process(page).kill()  # as a fault in the engine would
    assert await visit == ("page_crashed", True)
    assert (await neighbour).status == 200
    await is_unharmed(rig, site)


async def test_a_hung_page_is_killed_with_its_visit(
    start_rig: Any, hostile: HostileSite, site: DemoSite
) -> None:
    rig = await start_rig(allowed=(hostile.place,), limits=LIMITS)
    assert await outcome(rig, f"{hostile.url}/loop-at-once", timeout_ms=TIMEOUT_MS) == TOO_SLOW
    await wait_until(lambda: len(rig.list_pages()) == 1)
    assert rig.count("jobs_browser_recycles_total", reason="worn") == 0
    await is_unharmed(rig, site)


async def test_a_service_worker_does_not_stay(
    start_rig: Any, hostile: HostileSite, site: DemoSite
) -> None:
    rig = await start_rig(allowed=(hostile.place,), limits=LIMITS)
    for _ in range(2):
        result = await rig.visit(
            f"{hostile.url}/service-worker", wait_for_selector="#said:not(:empty)"
        )
        assert result.text in {"none", "refused", "inactive"}
    assert (await rig.visit(f"{hostile.url}/")).text == "Trouble"
    await is_unharmed(rig, site)


async def test_nothing_that_a_page_stores_is_there_for_the_next(
    start_rig: Any, hostile: HostileSite
) -> None:
    rig = await start_rig(allowed=(hostile.place,), limits=LIMITS)
    for _ in range(2):
        assert (await rig.visit(f"{hostile.url}/remember", selector="#found")).text == "nothing"
    found = "#found:not(:empty)"
    result = await rig.visit(f"{hostile.url}/databases", wait_for_selector=found, selector=found)
    assert result.text.lstrip("0") == " kept"


async def test_a_page_with_too_many_connections_gets_no_more(
    start_rig: Any, hostile: HostileSite, site: DemoSite
) -> None:
    async def lookup(_host: str) -> Sequence[str]:
        return ["127.0.0.1"]

    allowed = (hostile.place, ".many.test")
    rig = await start_rig(allowed=allowed, limits=Limits(connections=8), lookup=lookup)
    visit = outcome(rig, f"{hostile.url}/many", wait_for_selector="#never", timeout_ms=TIMEOUT_MS)
    assert await visit == ("selector_not_found", False)
    assert rig.count("jobs_browser_blocked_requests_total", reason="spent") > 0
    await is_unharmed(rig, site)


async def test_a_page_that_leads_to_another_scheme_is_blocked(
    start_rig: Any, hostile: HostileSite, site: DemoSite
) -> None:
    rig = await start_rig(allowed=(hostile.place,), limits=LIMITS)
    assert await outcome(rig, f"{hostile.url}/schemes", wait_for_selector="#never") == BLOCKED
    await is_unharmed(rig, site)


async def test_a_certificate_of_nobody_is_not_accepted(
    start_rig: Any, site: DemoSite, tmp_path: Path
) -> None:
    with HostileSite() as hostile:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certify_oneself(tmp_path))
        hostile.server.socket = context.wrap_socket(hostile.server.socket, server_side=True)
        rig = await start_rig(allowed=(hostile.place,))
        assert await outcome(rig, f"https://{hostile.place}/") == LOST_WAY
    await is_unharmed(rig, site)


def certify_oneself(folder: Path) -> Path:
    """Write a key and a certificate that nobody else vouches for, in one file."""
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
    file = folder / "nobody.pem"
    file.write_bytes(key.private_bytes(pem, kind, plain) + made.public_bytes(pem))
    return file


async def test_storms_side_by_side_harm_no_neighbour(
    start_rig: Any, hostile: HostileSite, site: DemoSite
) -> None:
    rig = await start_rig(slots=3, allowed=(hostile.place,), limits=LIMITS)
    storms = [outcome(rig, f"{hostile.url}{path}") for path in ("/popups", "/alerts")]
    calm = [rig.visit(f"{site.url}/article", selector="h2", timeout_ms=20_000) for _ in range(3)]
    stormy, served = await asyncio.gather(asyncio.gather(*storms), asyncio.gather(*calm))
    assert stormy == [ABUSIVE, ABUSIVE]
    assert {one.text for one in served} == {"Colour"}
    await is_unharmed(rig, site)


async def test_a_page_of_many_names_has_few_of_them_looked_up_at_once(
    start_rig: Any, site: DemoSite, hostile: HostileSite
) -> None:
    asking, most = 0, 0

    async def never(_host: str) -> list[str]:
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        try:
            await asyncio.sleep(60)
        finally:
            asking -= 1
        return []

    rig = await start_rig(allowed=(hostile.place,), lookup=never)
    await rig.visit(f"{hostile.url}/many")
    await is_unharmed(rig, site)
    assert 1 <= most <= 8
    assert asking == 0
