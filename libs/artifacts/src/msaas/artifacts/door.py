"""Serves a folder to whoever brings a link that we signed: the local stand-in for a bucket."""

import re
import secrets
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from msaas.artifacts.kinds import content_type_of
from msaas.artifacts.links import LinkSigner
from msaas.contracts import MAX_ARTIFACT

_KEY: Final = re.compile(r"[0-9a-f-]{36}/[0-9a-f-]{36}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# What is stored was made from other people's pages: it is shown, and never run.
_HARMLESS: Final = {
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "cache-control": "private, max-age=60",
    "cross-origin-resource-policy": "cross-origin",
}


class FolderDoor:
    """An ASGI application: GET and PUT of one file, within its kind, its size and its time."""

    def __init__(self, folder: Path, links: LinkSigner, most_bytes: int = MAX_ARTIFACT) -> None:
        self._folder = folder
        self._links = links
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            answer = await self._answer(Request(scope, receive))
            await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        key = request.url.path.removeprefix(self._links.path)
        if not _KEY.fullmatch(key):
            return Response(status_code=HTTPStatus.NOT_FOUND)
        if not self._links.permits(request.method, key, request.url.query):
            return Response(status_code=HTTPStatus.FORBIDDEN)
        if request.method == "PUT":
            return Response(status_code=await self._take_in(request, key))
        return self._hand_out(key)

    def _hand_out(self, key: str) -> Response:
        path = self._folder / key
        if not path.is_file():
            return Response(status_code=HTTPStatus.NOT_FOUND)
        return FileResponse(path, media_type=content_type_of(key), headers=_HARMLESS)

    async def _take_in(self, request: Request, key: str) -> HTTPStatus:
        kind = content_type_of(key)
        if kind is None or request.headers.get("content-type") != kind:
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
            if len(data) > self._most_bytes:
                return None
        return bytes(data)

    def _write(self, key: str, data: bytes) -> None:
        """Put a whole file in place, or none."""
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{secrets.token_hex(8)}")
        draft.write_bytes(data)
        draft.replace(path)
