"""The demo site as its visitors see it."""

import asyncio
import re
import signal
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest

from msaas.embedded import find_free_port
from msaas.local.demo_site import DemoSite


@pytest.fixture
def site() -> Iterator[DemoSite]:
    with DemoSite() as site:
        yield site


def get(site: DemoSite, path: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Return status, body, and where one ended up."""
    data = urllib.parse.urlencode(form).encode() if form is not None else None
    try:
        with urllib.request.urlopen(f"{site.url}{path}", data) as response:  # noqa: S310  # our own site
            return response.status, response.read().decode(), response.url.removeprefix(site.url)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), path


@pytest.mark.parametrize("path", ["/", "/article", "/list", "/late", "/form", "/slow?ms=1"])
def test_each_page_is_complete_constant_and_self_contained(site: DemoSite, path: str) -> None:
    status, body, _ = get(site, path)
    assert status == 200
    assert get(site, path)[1] == body
    assert len(re.findall("<h1>", body)) == 1
    for link in re.findall(r'(?:href|src|action)="([^"]+)"', body):
        assert link.startswith("/")
        assert (get(site, link)[0] == 200) == (link != "/nowhere")


def test_the_article_has_headings_and_a_table(site: DemoSite) -> None:
    _, body, _ = get(site, "/article")
    assert re.findall(r"<h2>(\w+)</h2>", body) == ["Colour", "Rhythm", "Range"]
    assert body.count("<tr>") == 6


def test_the_list_has_five_pages(site: DemoSite) -> None:
    path, seen = "/list", list[str]()
    while path:
        _, body, _ = get(site, path)
        seen += re.findall(r"<tr><td>(\d+)</td>", body)
        following = re.search(r'rel="next" href="([^"]+)"', body)
        path = following.group(1) if following else ""
    assert seen == [str(number) for number in range(1, 43)]
    for odd in ("0", "-1", "x", "1e3", "٣", ""):
        assert "page 1 of 5" in get(site, f"/list?page={urllib.parse.quote(odd)}")[1]
    assert "page 5 of 5" in get(site, "/list?page=99")[1]


def test_one_page_redirects_and_one_is_missing(site: DemoSite) -> None:
    assert get(site, "/redirect")[2] == "/article"
    for path in ("/nowhere", "/assets/", "/assets/../server.py", "/assets/none.css", "/%2e%2e/"):
        assert get(site, path)[0] == 404


def test_the_form_returns_what_was_sent(site: DemoSite) -> None:
    status, body, _ = get(site, "/form", {"light": "<b>Anvil</b>", "seen": "all well"})
    assert status == 200
    assert "&lt;b&gt;Anvil&lt;/b&gt;" in body
    assert "all well" in body
    assert get(site, "/article", {"a": "b"})[0] == 404


async def test_it_runs_as_a_program_until_a_signal() -> None:
    port = find_free_port()
    command = [sys.executable, "-m", "msaas.local.demo_site", "--port", str(port)]
    program = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert program.stdout is not None
    line = await program.stdout.readline()
    assert line.decode() == f"the demo site is at http://127.0.0.1:{port}\n"
    second = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, complaint = await second.communicate()
    assert (second.returncode, b"cannot listen" in complaint) == (1, True)
    program.send_signal(signal.SIGTERM)
    assert await program.wait() == 0
