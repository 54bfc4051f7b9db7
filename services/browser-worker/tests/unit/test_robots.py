"""Which rules of a robots.txt concern us, and what a hostile one costs."""

import tracemalloc

import pytest

from msaas.browser_worker.actions.crawl_frontier import CrawlFrontier
from msaas.contracts import CrawlSiteParams

PARAMS = CrawlSiteParams(url="http://site.test/")
MEGABYTE = 1024 * 1024


def is_allowed(robots: str, path: str) -> bool:
    frontier = CrawlFrontier(PARAMS, robots)
    frontier.add([f"http://site.test{path}"], 1)
    return len(frontier) == 1


@pytest.mark.parametrize(
    "robots",
    [
        "\n".join([*(f"User-agent: a{n}" for n in range(1_500)), *["Disallow: /x"] * 1_500]),
        "User-agent: *\n" + "\n".join(f"Disallow: /*{n}" for n in range(40_000)),
        "User-agent: *\nDisallow: /" + "*a" * 200_000,
        "Sitemap: http://site.test/map.xml\n" * 40_000,
        "User-agent: *\n" * 40_000,
    ],
    ids=["agents-and-rules", "rules", "wildcards", "sitemaps", "agents"],
)
def test_a_hostile_robots_file_costs_little_memory(robots: str) -> None:
    tracemalloc.start()
    try:
        frontier = CrawlFrontier(PARAMS, robots)
        assert frontier.add_start_url()
        assert len(frontier.sitemaps) <= 100
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MEGABYTE


@pytest.mark.parametrize(
    ("robots", "allowed"),
    [
        ("User-agent: *\nDisallow: /a", False),
        ("User-agent: other\nDisallow: /a", True),
        ("User-agent: other\nUser-agent: MSAAS\nDisallow: /a", False),
        ("User-agent: *\nDisallow: /a\n\nUser-agent: msaas/2.0\nDisallow: /b", True),
        (
            "User-agent: msaas\nDisallow: /b\nUser-agent: x\nuseragent msaas\nDisallow: /a",
            False,
        ),
        ("User-agent: *\nSitemap: http://site.test/m\nUser-agent: x\nDisallow: /a", False),
        ("User-agent: * # all\nDisallow: /  # nothing\nAllow: /a", True),
        ("Disallow: /a", True),
        ("\ufeffUser-agent: *\r\nDisallow: /a", False),
        ("# " + "x" * 100_000 + "\nUser-agent: *\nDisallow: /a", False),
    ],
)
def test_the_groups_that_concern_us_apply(robots: str, *, allowed: bool) -> None:
    assert is_allowed(robots, "/a") is allowed


def test_rules_of_others_do_not_displace_ours() -> None:
    others = "\n".join(f"User-agent: bot{n}\nDisallow: /{n}" for n in range(10_000))
    assert not is_allowed(f"{others}\nUser-agent: *\nDisallow: /a", "/a")
