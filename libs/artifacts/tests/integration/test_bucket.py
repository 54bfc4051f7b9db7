"""A bucket that verifies signatures: a link grants exactly one request."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from msaas.artifacts import (
    ArtifactNotFound,
    ArtifactStore,
    ArtifactsUnavailable,
    StoreLocation,
    open_store,
)
from msaas.contracts import MAX_ARTIFACT

PDF = {"content-type": "application/pdf"}


@pytest_asyncio.fixture
async def store(bucket_location: StoreLocation) -> ArtifactStore:
    store = open_store(bucket_location)
    await store.put("made/first.png", b"")  # the first file creates the bucket
    return store


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield client


def run() -> tuple[UUID, UUID]:
    return uuid4(), uuid4()


async def test_uploaded_files_are_listed_and_downloaded(
    store: ArtifactStore, http: httpx.AsyncClient
) -> None:
    job, fence = run()
    links = await store.sign_uploads(job, fence, ["page.pdf", "result.json"], 60)
    for link, body in ((links["page.pdf"], b"%PDF-1"), (links["page.pdf"], b"%PDF-12")):
        assert (await http.put(link, content=body, headers=PDF)).status_code == 200
    [found] = await store.list_run_artifacts(job, fence)
    assert (found.name, found.content_type, found.size) == ("page.pdf", "application/pdf", 7)
    answer = await http.get(await store.sign_download(job, fence, "page.pdf", 60))
    assert (answer.content, answer.headers["content-type"]) == (b"%PDF-12", "application/pdf")
    assert await store.get(f"{job}/{fence}/page.pdf") == b"%PDF-12"


async def test_what_the_file_server_would_refuse_is_not_listed(
    store: ArtifactStore, http: httpx.AsyncClient
) -> None:
    """A bucket accepts any content for a signed link."""
    job, fence = run()
    links = await store.sign_uploads(job, fence, ["large.pdf", "page.html"], 60)
    large = bytes(MAX_ARTIFACT + 1)
    assert (await http.put(links["large.pdf"], content=large, headers=PDF)).status_code == 200
    assert (await http.put(links["page.html"], content=b"<script>")).status_code == 200
    assert await store.list_run_artifacts(job, fence) == []
    assert await store.delete_job(job) == 2


async def test_a_bucket_link_is_for_one_method_one_file_and_a_time(
    store: ArtifactStore, http: httpx.AsyncClient
) -> None:
    job, fence = run()
    put, other = (await store.sign_uploads(job, fence, ["page.pdf", "b.pdf"], 60)).values()
    await store.put(f"{job}/{fence}/page.pdf", b"%PDF-1")
    short = await store.sign_download(job, fence, "page.pdf", 1)
    assert (await http.get(short)).status_code == 200
    await asyncio.sleep(2.1)  # the bucket counts whole seconds
    bare = put.partition("?")[0]
    for method, link in (
        ("GET", short),
        ("GET", put),
        ("DELETE", put),
        ("PUT", bare),
        ("GET", bare),
        ("PUT", put.replace("Signature=", "Signature=0")),
        ("PUT", other.replace("b.pdf", "page.pdf")),
    ):
        answer = await http.request(method, link, content=b"x" if method == "PUT" else None)
        assert answer.status_code == 403, (method, link)
    assert await store.get(f"{job}/{fence}/page.pdf") == b"%PDF-1"


async def test_deleting_a_job_deletes_the_files_of_all_its_runs(store: ArtifactStore) -> None:
    job, first = run()
    other, second = run()
    for key in (f"{job}/{first}/a.png", f"{job}/{second}/b.png", f"{other}/{first}/c.png"):
        await store.put(key, b"x")
    assert await store.delete_job(job) == 2
    assert await store.delete_job(job) == 0
    assert await store.list_run_artifacts(job, first) == []
    assert [artifact.name for artifact in await store.list_run_artifacts(other, first)] == ["c.png"]
    with pytest.raises(ArtifactNotFound):
        await store.get(f"{job}/{first}/a.png")


async def test_a_rejected_credential_is_reported_without_the_key(
    bucket_location: StoreLocation, store: ArtifactStore
) -> None:
    other = open_store(replace(bucket_location, secret="not the fleet's"))
    with pytest.raises(ArtifactsUnavailable) as caught:
        await other.put("made/second.png", b"x")
    assert "fleet" not in str(caught.value)
    with pytest.raises(ArtifactNotFound):
        await store.get("made/second.png")
