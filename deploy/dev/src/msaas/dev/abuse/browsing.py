"""Hostile sites: jobs visit pages and robots.txt files, and an honest job follows each."""

import asyncio
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from os import cpu_count, environ
from random import Random
from typing import Any, Final

from msaas.dev.abuse.attack import ANSWER_SECONDS, Attack, Bound, Target
from msaas.dev.workspace import ROOT, module_command
from msaas.local.api_client import ApiClient

_SITE_FOLDER: Final = ROOT / "services/browser-worker/tests/support"
_VISIT_MS: Final = 5_000
_END_SECONDS: Final = 180.0
_POLL_SECONDS: Final = 0.2
# The time of a visit on all processors, and that of the browser before and after it.
_PAGE_BOUND: Final = Bound(
    cpu_seconds=(cpu_count() or 1) * (_VISIT_MS / 1000 + 15), megabytes=4_096
)
_ROBOTS_BOUND: Final = Bound(cpu_seconds=12, megabytes=600)
_NEVER: Final = "#never"
_FIRST_PAGES: Final = ("/wide", "/blobs", "/caches", "/overridden")
_OTHER_PAGES: Final = (
    *("/loop", "/alerts", "/popups", "/grow", "/hoard", "/rewrites", "/reloads", "/schemes"),
    *("/drip", "/endless", "/huge", "/bomb", "/huge-head", "/many", "/unclosed", "/redirects/999"),
)
_TASKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "navigate_and_extract_text": {"wait_for_selector": _NEVER},
    "extract_markdown": {},
    "extract_links": {},
    "extract_structured": {"fields": {"a": {"selector": "p", "many": True}}},
    "capture_screenshot": {"full_page": True},
    "render_pdf": {},
    "run_steps": {"steps": [{"do": "scroll"}, {"do": "extract", "name": "a", "selector": "p"}]},
}


@contextmanager
def serve_hostile_sites(seed: int, count: int) -> Generator[Sequence[str]]:
    """Serve them from a process of their own, whose work is not measured."""
    command = [*module_command("hostile_site"), str(seed), str(count)]
    pipe = subprocess.PIPE
    given = environ | {"PYTHONPATH": str(_SITE_FOLDER)}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=given) as process:
        try:
            assert process.stdout is not None  # noqa: S101  # a pipe
            yield [process.stdout.readline().strip() for _ in range(count)]
        finally:
            process.kill()


async def _visit_pages(target: Target, random: Random, cases: int) -> Sequence[str]:
    problems: list[str] = []
    for case in range(cases):
        task_type = random.choice(list(_TASKS))
        if case < len(_FIRST_PAGES):
            path = _FIRST_PAGES[case]
            task_type = "capture_screenshot" if path == "/wide" else "navigate_and_extract_text"
        else:
            generated = f"/generated/{random.randrange(10**9)}"
            path = random.choice([*_OTHER_PAGES, *[generated] * len(_OTHER_PAGES)])
        params = {**_TASKS[task_type], "url": target.site_urls[0] + path, "timeout_ms": _VISIT_MS}
        if await visit_once(target.api, task_type, params) is None:
            problems.append(f"the visit of {path} by {task_type} did not end")
    return problems


async def _crawl(target: Target, random: Random, cases: int) -> Sequence[str]:
    problems: list[str] = []
    for url in random.sample(target.site_urls, min(cases, len(target.site_urls))):
        params = {"url": f"{url}/", "max_pages": 2, "max_depth": 1, "timeout_ms": 20_000}
        if await visit_once(target.api, "crawl_site", params) is None:
            problems.append(f"the crawl of site {target.site_urls.index(url)} did not end")
    return problems


async def visit_once(api: ApiClient, task_type: str, params: Mapping[str, object]) -> str | None:
    """Submit a job and cancel it after its first run; return how that ended, if it did."""
    request = {"task_type": task_type, "params": params}
    job = await api.request_json("POST", "/jobs", json=request, timeout=ANSWER_SECONDS)
    path, deadline = f"/jobs/{job['id']}", time.monotonic() + _END_SECONDS
    outcome: str | None = None
    while outcome is None and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_SECONDS)
        found = await api.request_json("GET", f"{path}/attempts", timeout=ANSWER_SECONDS)
        outcome = next((attempt["outcome"] for attempt in found["items"]), None)
    await api.request("POST", f"{path}/cancel", timeout=ANSWER_SECONDS)
    return outcome


BROWSING: Final = [
    Attack("robots.txt files", "browser-worker", _ROBOTS_BOUND, _crawl, weight=0.2),
    Attack("hostile pages", "browser-worker", _PAGE_BOUND, _visit_pages, weight=0.5),
]
