"""The lifecycle of a file: upload link, download link, deletion with its job."""

from pathlib import Path
from uuid import uuid4

import httpx

from msaas.artifacts import FileServer, LinkSigner, StoreLocation, open_store


async def test_a_file_is_stored_and_deleted_with_its_job(tmp_path: Path) -> None:
    base = "http://files.test"
    store = open_store(StoreLocation(url=tmp_path.as_uri(), link_url=base, link_key="secret"))
    file_server = FileServer(tmp_path, LinkSigner("secret", base))
    job, fence = uuid4(), uuid4()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(file_server)) as worker:
        [link] = (await store.sign_uploads(job, fence, ["page.md"], 600)).values()
        await worker.put(link, content=b"# Hello", headers={"content-type": "text/markdown"})
        url = await store.sign_download(job, fence, "page.md", 300)
        assert (await worker.get(url)).text == "# Hello"
    assert await store.delete_job(job) == 1
    assert await store.list_run_artifacts(job, fence) == []
