"""Uploads files to the signed links of an envelope: a worker has no other credential."""

import hashlib
from typing import Final, Protocol

import httpx

from msaas.contracts import MAX_ARTIFACT, Artifact, JobEnvelope
from msaas.kernel import RetryPolicy, SystemClock
from msaas.worker.run_context import ActionFailed

# Longer than other HTTP timeouts: an upload is larger than other requests.
TIMEOUT: Final = 30.0
_RETRY: Final = RetryPolicy(attempts=3, budget=60.0)
_SERVER_ERROR: Final = 500
_CLIENT_ERROR: Final = 400


class ArtifactUploader(Protocol):
    async def __call__(
        self, envelope: JobEnvelope, name: str, content: bytes, content_type: str
    ) -> Artifact:
        """Return once the file is stored; raises ActionFailed where it cannot be."""
        ...


class _UploadRetryable(Exception):
    """The upload failed and may succeed when retried."""


class HttpArtifactUploader:
    """Links are never logged: they grant write access."""

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)

    async def __call__(
        self, envelope: JobEnvelope, name: str, content: bytes, content_type: str
    ) -> Artifact:
        link = envelope.meta.uploads.get(name)
        if link is None:
            message = "No artifact storage is configured."
            raise ActionFailed("artifacts_unavailable", message, retryable=False)
        if len(content) > MAX_ARTIFACT:
            message = f"{name} is larger than {MAX_ARTIFACT // 2**20} MiB."
            raise ActionFailed("artifact_too_large", message, retryable=False)
        try:
            await _RETRY.run(
                lambda: self._put(link, content, content_type),
                retry_on=(_UploadRetryable,),
                clock=SystemClock(),
            )
        except _UploadRetryable:
            message = "The file could not be stored."
            raise ActionFailed("artifacts_unavailable", message, retryable=True) from None
        digest = hashlib.sha256(content).hexdigest()
        return Artifact(name=name, content_type=content_type, size=len(content), sha256=digest)

    async def close(self) -> None:
        await self._client.aclose()

    async def _put(self, link: str, content: bytes, content_type: str) -> None:
        try:
            headers = {"content-type": content_type}
            response = await self._client.put(link, content=content, headers=headers)
        except httpx.HTTPError:
            raise _UploadRetryable from None
        if response.status_code >= _SERVER_ERROR:
            raise _UploadRetryable
        if response.status_code >= _CLIENT_ERROR:
            message = "The artifact store refused the file."
            raise ActionFailed("artifacts_unavailable", message, retryable=True)
