"""Stores files in a bucket, which signs its own links, or in a folder behind the file server."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeAlias
from urllib.parse import unquote, urlsplit
from uuid import UUID

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from msaas.artifacts.content_types import find_content_type
from msaas.artifacts.links import LinkSigner
from msaas.contracts import MAX_ARTIFACT
from msaas.kernel import DependencyUnavailable, ErrorKind, MsaasError

TIMEOUT: Final = 10.0
Method: TypeAlias = Literal["GET", "PUT"]


class ArtifactNotFound(MsaasError):
    code: ClassVar[str] = "not_found"
    kind: ClassVar[ErrorKind] = ErrorKind.NOT_FOUND
    default_message: ClassVar[str] = "Artifact not found."


class UnsupportedStore(MsaasError):
    default_message: ClassVar[str] = "ARTIFACTS_URL must start with file:// or s3://."


class ArtifactsUnavailable(DependencyUnavailable):
    default_message: ClassVar[str] = "The artifact store is not available."


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLocation:
    """The URL of the store and the credentials to sign its links.

    `url` is `file:///folder`, with the `link_url` and `link_key` of its file server, or
    `s3://bucket/prefix`, with a key pair and, outside AWS, an `endpoint`.
    """

    url: str
    link_url: str = ""
    link_key: str = ""
    endpoint: str = ""
    region: str = "auto"
    key_id: str = ""
    secret: str = ""


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    name: str
    content_type: str
    size: int
    created_at: datetime


class ArtifactStore:
    """Stores the files of a run under `job/fence/name`."""

    def __init__(self, store: LocalStore | S3Store, signer: LinkSigner | None = None) -> None:
        self._store = store
        self._signer = signer

    async def put(self, key: str, data: bytes) -> None:
        content_type = find_content_type(key)
        attributes = (
            {"Content-Type": content_type}
            if content_type and isinstance(self._store, S3Store)
            else None
        )
        async with _request():
            await obstore.put_async(self._store, key, data, attributes=attributes)

    async def get(self, key: str) -> bytes:
        async with _request():
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())

    async def list_run_artifacts(self, job_id: UUID, fence: UUID) -> Sequence[StoredArtifact]:
        """List the files of one run by name, without those of an unknown kind or too large."""
        folder = f"{job_id}/{fence}/"
        return sorted(
            (
                StoredArtifact(name, kind, entry["size"], entry["last_modified"])
                for entry in await self._list(folder)
                if (kind := find_content_type(name := entry["path"].rpartition("/")[2]))
                and entry["size"] <= MAX_ARTIFACT
            ),
            key=lambda artifact: artifact.name,
        )

    async def delete_job(self, job_id: UUID) -> int:
        """Delete the files of all runs of a job; return their number."""
        return await self.delete_prefix(f"{job_id}/")

    async def delete_prefix(self, prefix: str) -> int:
        paths = [entry["path"] for entry in await self._list(prefix)]
        if paths:
            async with _request():
                await obstore.delete_async(self._store, paths)
        return len(paths)

    async def sign(self, method: Method, keys: Iterable[str], seconds: float) -> Sequence[str]:
        """Return a link for each key, valid for one method and that many seconds."""
        if self._signer:
            return [self._signer.sign(method, key, seconds) for key in keys]
        if not isinstance(self._store, S3Store):
            raise ArtifactsUnavailable("No link signer is configured for the artifact folder.")
        async with _request():
            return await obstore.sign_async(
                self._store, method, list(keys), timedelta(seconds=seconds)
            )

    async def sign_uploads(
        self, job_id: UUID, fence: UUID, names: Sequence[str], seconds: float
    ) -> Mapping[str, str]:
        keys = [f"{job_id}/{fence}/{name}" for name in names]
        return dict(zip(names, await self.sign("PUT", keys, seconds), strict=True))

    async def sign_download(self, job_id: UUID, fence: UUID, name: str, seconds: float) -> str:
        return (await self.sign("GET", [f"{job_id}/{fence}/{name}"], seconds))[0]

    async def _list(self, prefix: str) -> Sequence[Mapping[str, Any]]:
        async with _request():
            listing = obstore.list(self._store, prefix)  # pyright: ignore[reportUnknownMemberType]  # an overload speaks of pyarrow
            return [dict(entry) async for chunk in listing for entry in chunk]


@asynccontextmanager
async def _request() -> AsyncGenerator[None]:
    """Limit a request, and replace the store's errors, which may contain keys and addresses."""
    try:
        async with asyncio.timeout(TIMEOUT):
            yield
    except FileNotFoundError:
        raise ArtifactNotFound from None
    except (BaseError, OSError, TimeoutError) as error:
        raise ArtifactsUnavailable from error


def open_store(location: StoreLocation) -> ArtifactStore:
    parts = urlsplit(location.url)
    if parts.scheme == "file":
        folder = Path(unquote(parts.path))
        signer = LinkSigner(location.link_key, location.link_url) if location.link_url else None
        return ArtifactStore(LocalStore(folder, mkdir=True, automatic_cleanup=True), signer)
    if parts.scheme != "s3" or not parts.netloc:
        raise UnsupportedStore
    endpoint_options: dict[str, Any] = {"endpoint": location.endpoint} if location.endpoint else {}
    return ArtifactStore(
        S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            region=location.region,
            access_key_id=location.key_id,
            secret_access_key=location.secret,
            client_options={"allow_http": location.endpoint.startswith("http://")},
            **endpoint_options,
        )
    )
