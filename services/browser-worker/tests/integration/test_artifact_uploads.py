"""Envelopes in over a real Redis; files where their links lead, and reports that name them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio

from msaas.artifacts import ArtifactStore, StoreLocation, open_store
from msaas.contracts import JobEnvelope, get_task
from msaas.embedded import find_free_port
from msaas.kernel import new_id
from msaas.local.demo_site import DemoSite
from msaas.messaging import Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.telemetry import Metrics
from msaas.testing import build_job_envelope, build_job_meta, wait_until

OUTCOME_TYPES = {"JobSucceeded", "JobFailed", "JobLost"}


class ProcessHarness:
    """A worker, a folder behind its door, and somebody who hands out jobs."""

    def __init__(self, wire: RedisBroker, store: ArtifactStore, site: DemoSite) -> None:
        self.store = store
        self.site = site
        self.messenger = Messenger(wire, "jobs", "test", metrics=Metrics("jobs", "test"))
        self.received: list[Any] = []
        self.messenger.consume_batches("jobs.results", self._on_results)

    async def _on_results(self, batch: Any) -> list[OutgoingMessage]:
        deliveries: list[Delivery] = list(batch)
        self.received += [delivery.message for delivery in deliveries]
        return []

    async def run(self, task_type: str, path: str, **params: Any) -> tuple[JobEnvelope, Any]:
        job, fence, uploads = new_id(), new_id(), get_task(task_type).uploads
        links = await self.store.sign_uploads(job, fence, uploads, 60)
        until = datetime.now(UTC) + timedelta(minutes=12)
        envelope = build_job_envelope(
            job_id=job,
            fence=fence,
            task_type=task_type,
            payload={"url": f"{self.site.url}{path}", **params},
            meta=build_job_meta(valid_until=until, uploads=dict(links)),
        )
        await self.messenger.publisher.publish("jobs.browser", envelope, correlation_id="test")

        def find_outcome() -> Any:
            ours = [one for one in self.received if one.job_id == job]
            return next((one for one in ours if type(one).__name__ in OUTCOME_TYPES), None)

        return envelope, await wait_until(find_outcome, timeout=60)


@pytest_asyncio.fixture
async def process_harness(
    private_redis: Callable[..., Any], site: DemoSite, chromium_path: Path, tmp_path: Path
) -> AsyncIterator[ProcessHarness]:
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
    words = ["msaas.local.artifacts", "--port", str(file_server_port), "--folder", str(folder)]
    programs = [await start(given, "msaas.browser_worker", "serve"), await start(given, *words)]
    broker = RedisBroker(redis)
    store = open_store(StoreLocation(url=folder.as_uri(), link_url=base, link_key="links"))
    fleet = ProcessHarness(broker, store, site)
    running = asyncio.create_task(fleet.messenger.run())
    yield fleet
    fleet.messenger.drain()
    await running
    await broker.close()
    for program in programs:
        program.terminate()
        assert await program.wait() in {0, -15}


async def start(given: dict[str, str], *words: str) -> asyncio.subprocess.Process:
    quiet = asyncio.subprocess.DEVNULL
    environment = os.environ | given
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", *words, env=environment, stdout=quiet, stderr=quiet
    )


async def test_files_and_large_results_are_where_the_report_says(
    process_harness: ProcessHarness,
) -> None:
    envelope, verdict = await process_harness.run("render_pdf", "/article")
    kept = verdict.result["artifact"]
    content = await process_harness.store.get(f"{envelope.job_id}/{envelope.fence}/{kept['name']}")
    assert content.startswith(b"%PDF-")
    assert len(content) == kept["size"]
    async with httpx.AsyncClient() as http:
        link = await process_harness.store.sign_download(
            envelope.job_id, envelope.fence, "page.pdf", 60
        )
        assert (await http.get(link)).content == content

    # The same page so many times over is more than a message may carry.
    fields = {f"field_{number}": {"selector": "body", "type": "html"} for number in range(50)}
    envelope, verdict = await process_harness.run("extract_structured", "/list", fields=fields)
    assert (verdict.result, verdict.result_ref) == (None, "result.json")
    stored = await process_harness.store.get(f"{envelope.job_id}/{envelope.fence}/result.json")
    assert len(stored) > 64 * 1024


async def test_a_failing_step_leaves_its_picture(process_harness: ProcessHarness) -> None:
    steps = [{"do": "click", "selector": "#nowhere"}]
    envelope, verdict = await process_harness.run(
        "run_steps", "/form", steps=steps, step_timeout_ms=500
    )
    assert verdict.failure_reason == "selector_not_found"
    assert verdict.last_error.startswith("Step 1 (click): ")
    assert "step_01" in verdict.timings_ms
    [picture] = await process_harness.store.list_run_artifacts(envelope.job_id, envelope.fence)
    assert picture.name == "failure.png"


async def test_a_task_that_is_switched_off_fails_at_once(process_harness: ProcessHarness) -> None:
    _, verdict = await process_harness.run("crawl_site", "/")
    assert (verdict.failure_reason, verdict.retryable) == ("feature_flag_disabled", False)
    _, verdict = await process_harness.run("extract_links", "/")
    assert verdict.result["total"] > 3
