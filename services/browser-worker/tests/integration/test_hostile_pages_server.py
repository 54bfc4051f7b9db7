"""The hostile site responds as documented, and no fleet serves it."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hostile_site.bodies import compression_bomb, endless_body, huge_body
from hostile_site.server import HostileSite

from msaas.local import services


@pytest.fixture
def site() -> Iterator[HostileSite]:
    with HostileSite() as site:
        yield site


def test_redirects_end_or_never_end(site: HostileSite) -> None:
    with httpx.Client(base_url=site.url, follow_redirects=True, max_redirects=12) as client:
        assert "Trouble" in client.get("/redirects/10").text
        with pytest.raises(httpx.TooManyRedirects):
            client.get("/redirects/999")


def test_a_compression_bomb_is_small_until_it_is_decompressed() -> None:
    pieces = compression_bomb()
    packed = b"".join(next(pieces) for _ in range(4))
    assert len(packed) < 20_000
    assert len(zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed)) > 3_000_000


def test_endless_and_huge_bodies() -> None:
    stream = endless_body()
    assert sum(len(next(stream)) for _ in range(100)) > 5_000_000
    assert sum(map(len, huge_body())) == 100 * 1024 * 1024


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/auth", 401), ("/status/503", 503), ("/nowhere", 404)]
)
def test_the_status_is_the_requested_one(site: HostileSite, path: str, status: int) -> None:
    assert httpx.get(f"{site.url}{path}").status_code == status


def test_no_fleet_serves_it() -> None:
    folder = Path(services.__file__).parent
    others = [path for path in folder.rglob("*.py") if "hostile_site" not in path.parts]
    assert len(others) > 10
    assert not [path for path in others if "hostile" in path.read_text()]
