"""The pages that explain problem types, in two languages and without a script."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from msaas.contracts import PROBLEMS
from msaas.telemetry import Metrics
from msaas.web import create_app, problem_pages


class Page:
    """The parts of a page that these tests check."""

    def __init__(self, html: str) -> None:
        self.tags: list[str] = re.findall(r"<(\w+)", html)
        self.links: list[str] = re.findall(r'href="([^"]*)"', html)


@pytest.fixture
async def api(metrics: Metrics) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(title="t", metrics=metrics, routers=[problem_pages])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
        yield client


@pytest.mark.parametrize("code", PROBLEMS)
async def test_every_problem_has_a_page(api: httpx.AsyncClient, code: str) -> None:
    answer = await api.get(f"/problems/{code}")
    assert answer.status_code == 200
    assert PROBLEMS[code].action.split(",")[0] in answer.text
    page = Page(answer.text)
    assert page.tags.count("h1") == page.tags.count("title") == page.tags.count("main") == 1
    assert '<html lang="en">' in answer.text
    assert page.links == ["/problems"]
    assert not {"script", "img", "link", "iframe"} & set(page.tags)


async def test_the_list_leads_to_all_of_them(api: httpx.AsyncClient) -> None:
    page = Page((await api.get("/problems")).text)
    assert set(page.links) == {f"/problems/{code}" for code in PROBLEMS}


async def test_a_page_allows_its_own_style_and_nothing_else(api: httpx.AsyncClient) -> None:
    policy = (await api.get("/problems")).headers["content-security-policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; "
        r"form-action 'none'; frame-ancestors 'none'",
        policy,
    )


async def test_pages_and_problems_are_in_german_on_request(api: httpx.AsyncClient) -> None:
    german = {"accept-language": "de-CH, en;q=0.5"}
    page = await api.get("/problems/overloaded", headers=german)
    assert 'lang="de"' in page.text
    assert "Überlastet" in page.text
    problem = await api.get("/nowhere", headers=german)
    assert (problem.json()["title"], problem.json()["code"]) == ("Nicht gefunden", "not_found")
    for answer in (page, problem):
        assert answer.headers["content-language"] == "de"
        assert "accept-language" in answer.headers["vary"]


@pytest.mark.parametrize("code", ["nothing", "<script>", "OVERLOADED"])
async def test_an_unknown_code_is_a_problem_itself(api: httpx.AsyncClient, code: str) -> None:
    answer = await api.get(f"/problems/{code}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
