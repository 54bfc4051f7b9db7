"""The API reference: Scalar and the OpenAPI document, all served from this host."""

import gzip
from collections.abc import AsyncIterator
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

router = APIRouter(prefix="/docs", include_in_schema=False)

_FOLDER: Final = files("msaas.gateway.entrypoints.http").joinpath("docs")
_SCRIPT: Final = "scalar-1.46.4.js"
_PIECE: Final = 64 * 1024
_CACHE_ONE_HOUR: Final = "public, max-age=3600"
_CACHE_FOREVER: Final = "public, max-age=31536000, immutable"
# Scalar writes inline styles into the page; it may connect to this host only.
_CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "font-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@router.get("")
async def show_reference() -> Response:
    headers = {
        "content-security-policy": _CONTENT_SECURITY_POLICY,
        "cache-control": _CACHE_ONE_HOUR,
    }
    return Response(_read("index.html"), headers=headers, media_type="text/html")


@router.get("/openapi.json")
async def read_document() -> Response:
    headers = {"cache-control": _CACHE_ONE_HOUR}
    return Response(_read("openapi.json"), headers=headers, media_type="application/json")


@router.get("/start.js")
async def read_start_script() -> Response:
    headers = {"cache-control": _CACHE_ONE_HOUR}
    return Response(_read("start.js"), headers=headers, media_type="text/javascript")


@router.get(f"/{_SCRIPT}")
async def read_script(request: Request) -> Response:
    """Send the stored gzip file, decompressed for the rare client that does not accept gzip."""
    headers = {"cache-control": _CACHE_FOREVER, "vary": "accept-encoding"}
    content = _read(f"{_SCRIPT}.gz")
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
    else:
        content = _unpack_script()
    headers["content-length"] = str(len(content))
    return StreamingResponse(_iter_pieces(content), headers=headers, media_type="text/javascript")


async def _iter_pieces(content: bytes) -> AsyncIterator[bytes]:
    """Split what is sent, so that a client that does not read it costs little memory."""
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]


@cache
def _unpack_script() -> bytes:
    return gzip.decompress(_read(f"{_SCRIPT}.gz"))


@cache
def _read(name: str) -> bytes:
    return _FOLDER.joinpath(name).read_bytes()
