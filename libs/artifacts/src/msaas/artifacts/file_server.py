"""Serves a folder through signed links: the local replacement for a bucket."""

import re
import secrets
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from msaas.artifacts.content_types import find_content_type
from msaas.artifacts.links import LinkSigner
from msaas.contracts import MAX_ARTIFACT

_KEY_PATTERN: Final = re.compile(r"[0-9a-f-]{36}/[0-9a-f-]{36}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# Stored files come from foreign pages: browsers display them and execute nothing.
_SECURITY_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "cache-control": "private, max-age=60",
    "cross-origin-resource-policy": "cross-origin",
}


class FileServer:
    """An ASGI application: GET and PUT of one file, limited by content type, size and expiry."""

    def __init__(self, folder: Path, signer: LinkSigner, max_bytes: int = MAX_ARTIFACT) -> None:
        self._folder = folder
        self._signer = signer
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            response = await self._respond(Request(scope, receive))
            await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        key = request.url.path.removeprefix(self._signer.base_path)
        if not _KEY_PATTERN.fullmatch(key):
            return Response(status_code=HTTPStatus.NOT_FOUND)
        if not self._signer.verify(request.method, key, request.url.query):
            return Response(status_code=HTTPStatus.FORBIDDEN)
        if request.method == "PUT":
            return Response(status_code=await self._upload(request, key))
        return self._download(key)

    def _download(self, key: str) -> Response:
        path = self._folder / key
        if not path.is_file():
            return Response(status_code=HTTPStatus.NOT_FOUND)
        return FileResponse(path, media_type=find_content_type(key), headers=_SECURITY_HEADERS)

    async def _upload(self, request: Request, key: str) -> HTTPStatus:
        content_type = find_content_type(key)
        if content_type is None or request.headers.get("content-type") != content_type:
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        try:
            data = await self._read(request)
        except ClientDisconnect:
            return HTTPStatus.BAD_REQUEST
        if data is None:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        await run_in_threadpool(self._write, key, data)
        return HTTPStatus.OK

    async def _read(self, request: Request) -> bytes | None:
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > self._max_bytes:
                return None
        return bytes(data)

    def _write(self, key: str, data: bytes) -> None:
        """Write the file atomically."""
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{secrets.token_hex(8)}")
        temporary.write_bytes(data)
        temporary.replace(path)
