"""A folder behind the file server: uploads and downloads through signed links."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from msaas.artifacts import (
    ArtifactNotFound,
    ArtifactStore,
    ArtifactsUnavailable,
    FileServer,
    LinkSigner,
    StoreLocation,
    UnsupportedStore,
    open_store,
)

BASE = "http://files.test/files"
PDF = {"content-type": "application/pdf"}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return open_store(StoreLocation(url=tmp_path.as_uri(), link_url=BASE, link_key="secret"))


@pytest_asyncio.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    file_server = FileServer(tmp_path, LinkSigner("secret", BASE), max_bytes=1_000)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(file_server)) as client:
        yield client


def run() -> tuple[UUID, UUID]:
    return uuid4(), uuid4()


async def test_uploaded_files_are_listed_and_served(
    store: ArtifactStore, http: httpx.AsyncClient
) -> None:
    job, fence = run()
    links = await store.sign_uploads(job, fence, ["page.pdf", "result.json"], 60)
    assert (await http.put(links["page.pdf"], content=b"%PDF-1", headers=PDF)).status_code == 200
    [found] = await store.list_run_artifacts(job, fence)
    assert (found.name, found.content_type, found.size) == ("page.pdf", "application/pdf", 6)
    answer = await http.get(await store.sign_download(job, fence, "page.pdf", 60))
    assert (answer.content, answer.headers["content-type"]) == (b"%PDF-1", "application/pdf")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert await store.get(f"{job}/{fence}/page.pdf") == b"%PDF-1"


async def test_the_file_server_refuses_what_was_not_signed(
    store: ArtifactStore, http: httpx.AsyncClient
) -> None:
    job, fence = run()
    link = (await store.sign_uploads(job, fence, ["page.pdf"], 60))["page.pdf"]
    gone = (await store.sign_uploads(job, fence, ["page.pdf"], -1))["page.pdf"]
    odd = (await store.sign_uploads(job, fence, ["page.html"], 60))["page.html"]
    outside = LinkSigner("secret", BASE).sign("PUT", "../../etc/passwd", 60)
    html = {"content-type": "text/html"}
    for where, headers, status in (
        (link, html, 415),
        (odd, html, 415),
        (gone, PDF, 403),
        (link.replace("signature=", "signature=0"), PDF, 403),
        (outside, PDF, 404),
    ):
        assert (await http.put(where, content=b"x", headers=headers)).status_code == status
    assert (await http.put(link, content=b"x" * 1_001, headers=PDF)).status_code == 413
    assert (await http.get(link)).status_code == 403
    assert (await http.get(await store.sign_download(job, fence, "no.pdf", 60))).status_code == 404
    assert await store.list_run_artifacts(job, fence) == []


async def test_deleting_a_job_deletes_the_files_of_all_its_runs(store: ArtifactStore) -> None:
    job, other = uuid4(), uuid4()
    for key in (f"{job}/{uuid4()}/page.md", f"{job}/{uuid4()}/page.pdf", f"{other}/a/page.md"):
        await store.put(key, b"x")
    assert await store.delete_job(job) == 2
    assert await store.delete_job(job) == 0
    assert await store.get(f"{other}/a/page.md") == b"x"
    with pytest.raises(ArtifactNotFound):
        await store.get(f"{job}/a/page.md")


async def test_a_bucket_signs_its_own_links() -> None:
    store = open_store(
        StoreLocation(url="s3://bucket/kept", key_id="k", secret="s", endpoint="http://127.0.0.1:1")
    )
    job, fence = run()
    link = await store.sign_download(job, fence, "page.pdf", 60)
    assert link.startswith(f"http://127.0.0.1:1/bucket/kept/{job}/{fence}/page.pdf?")
    assert "X-Amz-Expires=60" in link


async def test_invalid_locations_are_reported(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedStore):
        open_store(StoreLocation(url="ftp://bucket"))
    unsigned = open_store(StoreLocation(url=tmp_path.as_uri()))
    with pytest.raises(ArtifactsUnavailable):
        await unsigned.sign_download(uuid4(), uuid4(), "page.pdf", 60)
