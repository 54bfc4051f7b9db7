"""The worker as a process that uploads files to a real file server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
from browser_worker_support import open_jobs_service, start_program

from msaas.artifacts import ArtifactStore, StoreLocation, open_store
from msaas.contracts import JobEnvelope, get_task
from msaas.embedded import RedisServer, find_free_port
from msaas.kernel import new_id
from msaas.local.demo_site import DemoSite
from msaas.testing import FakeJobsService


class ArtifactHarness:
    """A worker process, a file server and a fake jobs service."""

    def __init__(self, jobs_service: FakeJobsService, store: ArtifactStore, site: DemoSite) -> None:
        self.jobs_service = jobs_service
        self.store = store
        self.site = site

    async def run(self, task_type: str, path: str, **params: Any) -> tuple[JobEnvelope, Any]:
        job_id, fence, uploads = new_id(), new_id(), get_task(task_type).uploads
        envelope = await self.jobs_service.send(
            job_id=job_id,
            fence=fence,
            task_type=task_type,
            payload={"url": f"{self.site.url}{path}", **params},
            meta={
                "valid_until": datetime.now(UTC) + timedelta(minutes=12),
                "uploads": dict(await self.store.sign_uploads(job_id, fence, uploads, 60)),
            },
        )
        return envelope, await self.jobs_service.wait_for_outcome(envelope)


@pytest_asyncio.fixture
async def artifact_harness(
    private_redis: Callable[..., RedisServer], site: DemoSite, chromium_path: Path, tmp_path: Path
) -> AsyncIterator[ArtifactHarness]:
    redis, port, file_server_port = private_redis(aof=False).url, find_free_port(), find_free_port()
    base = f"http://127.0.0.1:{file_server_port}/files"
    given = {
        "ENVIRONMENT": "test",
        "REDIS_URL": redis,
        "BROWSER_WORKER_INTERNAL_PORT": str(port),
        "BROWSER_WORKER_ALLOWED_HOSTS": site.address,
        "BROWSER_WORKER_CHROMIUM": str(chromium_path),
        "FF_BROWSER_TASK_CRAWL_SITE_ENABLED": "false",
        "ARTIFACTS_LINK_KEY": "links",
        "ARTIFACTS_LINK_URL": base,
    }
    folder = tmp_path / "files"
    file_server = [
        "msaas.file_server",
        "--port",
        str(file_server_port),
        "--folder",
        str(folder),
    ]
    quiet = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
    programs = [
        await start_program(given, "msaas.browser_worker", "serve", **quiet),
        await start_program(given, *file_server, **quiet),
    ]
    store = open_store(StoreLocation(url=folder.as_uri(), link_url=base, link_key="links"))
    async with open_jobs_service(redis) as jobs_service:
        yield ArtifactHarness(jobs_service, store, site)
    for program in programs:
        program.terminate()
        assert await program.wait() in {0, -15}


async def test_files_and_large_results_are_stored_as_reported(
    artifact_harness: ArtifactHarness,
) -> None:
    envelope, outcome = await artifact_harness.run("render_pdf", "/article")
    artifact = outcome.result["artifact"]
    content = await artifact_harness.store.get(
        f"{envelope.job_id}/{envelope.fence}/{artifact['name']}"
    )
    assert content.startswith(b"%PDF-")
    assert len(content) == artifact["size"]
    async with httpx.AsyncClient(timeout=60) as http:
        link = await artifact_harness.store.sign_download(
            envelope.job_id, envelope.fence, "page.pdf", 60
        )
        assert (await http.get(link)).content == content

    # The same page fifty times is too large for a message.
    fields = {f"field_{number}": {"selector": "body", "type": "html"} for number in range(50)}
    envelope, outcome = await artifact_harness.run("extract_structured", "/list", fields=fields)
    assert (outcome.result, outcome.result_ref) == (None, "result.json")
    stored = await artifact_harness.store.get(f"{envelope.job_id}/{envelope.fence}/result.json")
    assert len(stored) > 64 * 1024


async def test_a_failing_step_stores_a_screenshot(artifact_harness: ArtifactHarness) -> None:
    steps = [{"do": "click", "selector": "#nowhere"}]
    envelope, outcome = await artifact_harness.run(
        "run_steps", "/form", steps=steps, step_timeout_ms=500
    )
    assert outcome.failure_reason == "selector_not_found"
    assert outcome.last_error.startswith("Step 1 (click): ")
    assert "step_01" in outcome.timings_ms
    [picture] = await artifact_harness.store.list_run_artifacts(envelope.job_id, envelope.fence)
    assert picture.name == "failure.png"


async def test_a_task_that_is_switched_off_fails_at_once(artifact_harness: ArtifactHarness) -> None:
    _, outcome = await artifact_harness.run("crawl_site", "/")
    assert (outcome.failure_reason, outcome.retryable) == ("feature_flag_disabled", False)
    _, outcome = await artifact_harness.run("extract_links", "/")
    assert outcome.result["total"] > 3
