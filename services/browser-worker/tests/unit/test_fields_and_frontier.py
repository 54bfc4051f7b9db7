"""Values from the text of a page, and the frontier of a crawl."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.browser_worker.actions.crawl_frontier import CrawlFrontier, read_sitemap
from msaas.browser_worker.actions.field_values import FieldTypeMismatch, parse_value
from msaas.browser_worker.actions.links import build_links, parse_origin
from msaas.browser_worker.actions.rendering import read_image_size
from msaas.contracts import CrawlSiteParams

BASE = "http://site.test/a/b"


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (" Anvil Head\n", "text", "Anvil Head"),
        ("1,234.50 €", "number", 1234.5),
        ("EUR 1'234'567", "number", 1_234_567.0),
        ("12 345 km", "integer", 12_345),
        ("\u22125 °C", "integer", -5),
        ("No. 7, of 9", "integer", 7),
        ("Yes", "boolean", True),
        ("off", "boolean", False),
        ("../c?x=1", "url", "http://site.test/c?x=1"),
    ],
)
def test_a_value_is_read_as_its_type(text: str, kind: str, value: object) -> None:
    assert parse_value(text, kind, BASE) == value


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("none", "number"),
        ("1.5", "integer"),
        ("9" * 30, "integer"),
        ("maybe", "boolean"),
        ("mailto:a@b.c", "url"),
        ("http://[", "url"),
    ],
)
def test_a_value_of_another_type_is_reported(text: str, kind: str) -> None:
    with pytest.raises(FieldTypeMismatch, match=kind):
        parse_value(text, kind, BASE)


@given(st.text(max_size=100), st.sampled_from(["text", "number", "integer", "boolean", "url"]))
def test_any_text_gives_a_value_or_a_reason(text: str, kind: str) -> None:
    try:
        value = parse_value(text, kind, BASE)
    except FieldTypeMismatch as wrong:
        value = wrong.expected
    assert isinstance(value, str | int | float)


@given(st.integers(-(10**12), 10**12))
def test_numbers_are_read_with_any_thousands_separator(number: int) -> None:
    for text in (f"{number}", f"{number:,}", f"{number:,}".replace(",", "\u202f")):
        assert parse_value(text, "integer", BASE) == number


paths = st.text("abc/", max_size=6)


@given(st.lists(st.lists(paths, max_size=5), max_size=6), st.integers(0, 3))
def test_each_page_is_returned_once_and_none_deeper_than_allowed(
    found: list[list[str]], most: int
) -> None:
    params = CrawlSiteParams(url="http://site.test/", max_depth=most)
    frontier, given_out, depths = CrawlFrontier(params), list[str](), list[int]()
    assert frontier.add_start_url()
    for urls in [*found, []]:
        known = frontier.pop()
        if known is None:
            break
        given_out.append(known.url)
        depths.append(known.depth)
        frontier.add([f"http://site.test/{path}" for path in urls], known.depth + 1)
    assert len(given_out) == len(set(given_out))
    assert depths == sorted(depths)
    assert max(depths) <= most


def test_only_pages_of_the_origin_are_followed() -> None:
    params = CrawlSiteParams(url="https://site.test", exclude=("/old",))
    frontier = CrawlFrontier(params, "User-agent: *\nDisallow: /no\nCrawl-delay: 90")
    assert frontier.add_start_url()
    outside = ("http://site.test/x", "https://site.test:8443/x", "https://else.test/")
    inside = ("https://site.test/#a", "https://site.test/a.pdf", "https://site.test/old/b")
    frontier.add([*outside, *inside, "https://site.test/no", "https://site.test/yes"], 1)
    assert (len(frontier), frontier.disallowed_count) == (2, 1)
    assert frontier.delay == 5.0
    assert not frontier.record_redirect("https://else.test/landed")
    assert frontier.record_redirect("https://site.test/landed")
    assert not frontier.record_redirect("https://site.test/landed")


@given(st.text(max_size=300))
def test_an_invalid_sitemap_is_harmless(text: str) -> None:
    assert all(isinstance(url, str) for url in read_sitemap(text))


def test_links_have_their_text_and_origin() -> None:
    raw = [["http://site.test/x#1", " ", False], ["http://site.test/x", "Some\n words", True]]
    [link] = build_links(raw, BASE)
    assert (link.url, link.text, link.in_origin) == ("http://site.test/x", "Some words", True)
    assert parse_origin("https://Site.test/") == ("https", "site.test", 443)
    assert parse_origin("data:text/html,x") is None


def test_the_size_of_an_image_is_read_from_its_header() -> None:
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480)
    assert read_image_size(png) == (640, 480)
    jpeg = (
        b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08" + struct.pack(">HH", 480, 640) + b"\0" * 9
    )
    assert read_image_size(jpeg) == (640, 480)
    with pytest.raises(ValueError, match="not a PNG or JPEG image"):
        read_image_size(b"")
