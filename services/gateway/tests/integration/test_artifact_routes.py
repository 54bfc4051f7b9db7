"""The files of a job: those of the run that decided it, by links that expire."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from services.gateway.tests.conftest import FakeJobsService, SignIn

from msaas.artifacts import ArtifactStore, FileServer, LinkSigner, StoreLocation, open_store
from msaas.gateway.settings import Settings

BASE = "http://files.test/files"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return open_store(StoreLocation(url=tmp_path.as_uri(), link_url=BASE, link_key="links"))


@pytest.fixture
def gateway_settings(gateway_settings: Settings, tmp_path: Path) -> Settings:
    given = {"artifacts_url": tmp_path.as_uri(), "artifacts_link_url": BASE}
    secret = type(gateway_settings.database_url)("links")
    return gateway_settings.model_copy(update=given | {"artifacts_link_key": secret})


@pytest_asyncio.fixture
async def files(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    file_server = FileServer(tmp_path, LinkSigner("links", BASE))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(file_server)) as client:
        yield client


async def test_only_the_files_of_the_run_that_counts_are_shown(
    fake_jobs: FakeJobsService, sign_in: SignIn, store: ArtifactStore, files: httpx.AsyncClient
) -> None:
    user, now = await sign_in(), datetime.now(UTC)
    won, lost = uuid4(), uuid4()
    job = await fake_jobs.insert_job(
        user.id, status="COMPLETED", finished_at=now, decided_by_fence=won, result_ref="result.json"
    )
    await store.put(f"{job}/{won}/result.json", b'{"text": "long"}')
    await store.put(f"{job}/{lost}/page.pdf", b"%PDF-")
    [shown] = (await user.request("GET", f"/jobs/{job}/artifacts")).json()["items"]
    assert (shown["name"], shown["content_type"]) == ("result.json", "application/json")
    assert shown["size"] == 16
    assert (await files.get(shown["url"])).json() == {"text": "long"}
    sent_on = await user.request("GET", f"/jobs/{job}/artifacts/result.json")
    assert sent_on.status_code == 302
    assert (await files.get(sent_on.headers["location"])).json() == {"text": "long"}
    assert (await user.request("GET", f"/jobs/{job}/artifacts/page.pdf")).status_code == 404
    result = (await user.request("GET", f"/jobs/{job}/result")).json()
    assert (result["result"], result["result_ref"]) == (None, "result.json")


async def test_a_running_job_has_no_files_yet(fake_jobs: FakeJobsService, sign_in: SignIn) -> None:
    user = await sign_in()
    job = await fake_jobs.insert_job(user.id)
    assert (await user.request("GET", f"/jobs/{job}/artifacts")).json() == {"items": []}


@pytest.mark.parametrize("tail", ["", "/page.pdf"])
async def test_another_users_files_are_not_found(
    fake_jobs: FakeJobsService, sign_in: SignIn, store: ArtifactStore, tail: str
) -> None:
    mine, other_user = await sign_in(), await sign_in()
    now, run = datetime.now(UTC), uuid4()
    job = await fake_jobs.insert_job(
        mine.id, status="COMPLETED", finished_at=now, decided_by_fence=run
    )
    await store.put(f"{job}/{run}/page.pdf", b"%PDF-")
    assert (await mine.request("GET", f"/jobs/{job}/artifacts{tail}")).status_code in {200, 302}
    assert (await other_user.request("GET", f"/jobs/{job}/artifacts{tail}")).status_code == 404


async def test_a_name_that_is_none_is_refused(fake_jobs: FakeJobsService, sign_in: SignIn) -> None:
    user = await sign_in()
    job = await fake_jobs.insert_job(user.id)
    answer = await user.request("GET", f"/jobs/{job}/artifacts/.hidden")
    assert answer.status_code == 422
