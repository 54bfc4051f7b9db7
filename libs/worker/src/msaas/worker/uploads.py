"""Puts files under the names that an envelope has links for: a worker has no other credential."""

import hashlib
from typing import Final, Protocol

import httpx

from msaas.contracts import MAX_ARTIFACT, Artifact, JobEnvelope
from msaas.kernel import RetryPolicy, SystemClock
from msaas.worker.run import ActionFailed

# Other people's stores take their time, and the work that is to be kept is done.
TIMEOUT: Final = 30.0
_RETRY: Final = RetryPolicy(attempts=3, budget=60.0)
_SERVER_ERROR: Final = 500
_REFUSED: Final = 400


class Uploads(Protocol):
    async def __call__(
        self, envelope: JobEnvelope, name: str, content: bytes, content_type: str
    ) -> Artifact:
        """Return once the file is kept; raises ActionFailed where it cannot be."""
        ...


class _NotNow(Exception):
    """The store did not take it, and may the next time."""


class HttpUploads:
    """Links are never logged: whoever has one may write."""

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)

    async def __call__(
        self, envelope: JobEnvelope, name: str, content: bytes, content_type: str
    ) -> Artifact:
        link = envelope.meta.uploads.get(name)
        if link is None:
            words = "There is no place to keep files."
            raise ActionFailed("artifacts_unavailable", words, retryable=False)
        if len(content) > MAX_ARTIFACT:
            words = f"{name} is larger than {MAX_ARTIFACT // 2**20} MiB."
            raise ActionFailed("artifact_too_large", words, retryable=False)
        try:
            await _RETRY.run(
                lambda: self._put(link, content, content_type), on=(_NotNow,), clock=SystemClock()
            )
        except _NotNow:
            words = "The file could not be kept."
            raise ActionFailed("artifacts_unavailable", words, retryable=True) from None
        digest = hashlib.sha256(content).hexdigest()
        return Artifact(name=name, content_type=content_type, size=len(content), sha256=digest)

    async def close(self) -> None:
        await self._client.aclose()

    async def _put(self, link: str, content: bytes, content_type: str) -> None:
        try:
            headers = {"content-type": content_type}
            answer = await self._client.put(link, content=content, headers=headers)
        except httpx.HTTPError:
            raise _NotNow from None
        if answer.status_code >= _SERVER_ERROR:
            raise _NotNow
        if answer.status_code >= _REFUSED:
            words = "The file was refused where it was to be kept."
            raise ActionFailed("artifacts_unavailable", words, retryable=True)
