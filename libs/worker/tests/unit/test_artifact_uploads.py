"""Uploads of files through signed links."""

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


async def test_an_uploaded_file_is_described() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200)

    uploaded = await uploads(answer)(envelope(), "page.pdf", b"%PDF-", "application/pdf")
    assert (uploaded.name, uploaded.content_type, uploaded.size) == (
        "page.pdf",
        "application/pdf",
        5,
    )
    assert len(uploaded.sha256) == 64
    assert [(request.method, str(request.url), request.content) for request in requests] == [
        ("PUT", LINK, b"%PDF-")
    ]
    assert requests[0].headers["content-type"] == "application/pdf"


@pytest.mark.parametrize(
    ("status", "calls", "may_retry"), [(503, 3, True), (403, 1, True), (413, 1, True)]
)
async def test_a_failed_upload_is_retried_and_a_refused_one_is_not(
    status: int, calls: int, *, may_retry: bool
) -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(status)

    with pytest.raises(ActionFailed) as failed:
        await uploads(answer)(envelope(), "page.pdf", b"x", "application/pdf")
    assert (failed.value.reason, failed.value.may_retry) == ("artifacts_unavailable", may_retry)
    assert "signature" not in failed.value.safe_message
    assert len(requests) == calls


async def test_an_unreachable_store_is_retryable() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("unreachable", request=request)

    with pytest.raises(ActionFailed) as failed:
        await uploads(answer)(envelope(), "page.pdf", b"x", "application/pdf")
    assert (failed.value.reason, failed.value.may_retry) == ("artifacts_unavailable", True)


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [("page.md", 1, "artifacts_unavailable"), ("page.pdf", MAX_ARTIFACT + 1, "artifact_too_large")],
)
async def test_a_file_without_a_link_or_too_large_is_not_uploaded(
    name: str, size: int, reason: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError("no request is expected")

    with pytest.raises(ActionFailed) as failed:
        await uploads(answer)(envelope(), name, b"x" * size, "application/pdf")
    assert (failed.value.reason, failed.value.may_retry) == (reason, False)
