"""Keeping a file where a link leads."""

from collections.abc import Callable

import httpx
import pytest

from msaas.contracts import MAX_ARTIFACT, JobEnvelope
from msaas.testing import build_job_envelope, build_job_meta
from msaas.worker import ActionFailed, HttpArtifactUploader

LINK = "http://store.test/job/fence/page.pdf?signature=abc"


def envelope() -> JobEnvelope:
    return build_job_envelope(meta=build_job_meta(uploads={"page.pdf": LINK}))


def uploads(answer: Callable[[httpx.Request], httpx.Response]) -> HttpArtifactUploader:
    return HttpArtifactUploader(httpx.AsyncClient(transport=httpx.MockTransport(answer)))


async def test_a_file_is_put_and_described() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200)

    kept = await uploads(answer)(envelope(), "page.pdf", b"%PDF-", "application/pdf")
    assert (kept.name, kept.content_type, kept.size) == ("page.pdf", "application/pdf", 5)
    assert len(kept.sha256) == 64
    assert [(one.method, str(one.url), one.content) for one in asked] == [("PUT", LINK, b"%PDF-")]
    assert asked[0].headers["content-type"] == "application/pdf"


@pytest.mark.parametrize(
    ("status", "calls", "may_retry"), [(503, 3, True), (403, 1, True), (413, 1, True)]
)
async def test_a_store_that_fails_is_asked_again_and_one_that_refuses_is_not(
    status: int, calls: int, *, may_retry: bool
) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status)

    with pytest.raises(ActionFailed) as failed:
        await uploads(answer)(envelope(), "page.pdf", b"x", "application/pdf")
    assert (failed.value.reason, failed.value.may_retry) == ("artifacts_unavailable", may_retry)
    assert "signature" not in failed.value.safe_message
    assert len(asked) == calls


async def test_a_store_that_does_not_answer_may_the_next_time() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there", request=request)

    with pytest.raises(ActionFailed) as failed:
        await uploads(answer)(envelope(), "page.pdf", b"x", "application/pdf")
    assert (failed.value.reason, failed.value.may_retry) == ("artifacts_unavailable", True)


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [("page.md", 1, "artifacts_unavailable"), ("page.pdf", MAX_ARTIFACT + 1, "artifact_too_large")],
)
async def test_what_has_no_place_is_not_even_tried(name: str, size: int, reason: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError("nobody is to be asked")

    with pytest.raises(ActionFailed) as failed:
        await uploads(answer)(envelope(), name, b"x" * size, "application/pdf")
    assert (failed.value.reason, failed.value.may_retry) == (reason, False)
