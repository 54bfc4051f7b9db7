"""Results that were too large for a message, read from the links that jobs has signed."""

from typing import Any, Final

import httpx
import orjson

from msaas.kernel import RetryPolicy, SystemClock
from msaas.telemetry import get_logger

TIMEOUT: Final = 10.0
MAX_BYTES: Final = 4 * 1024 * 1024
_RETRY: Final = RetryPolicy(attempts=3, budget=20.0)


class _Retryable(Exception):
    """The file may be there at the next attempt."""


class HttpResultFiles:
    """Links are never logged: they grant access."""

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)
        self._log = get_logger()

    async def load(self, url: str) -> dict[str, Any] | None:
        try:
            content = await _RETRY.run(
                lambda: self._get(url), retry_on=(_Retryable,), clock=SystemClock()
            )
            found: object = None if content is None else orjson.loads(content)
        except (_Retryable, orjson.JSONDecodeError) as error:
            self._log.warning("result_file_unreadable", error_type=type(error).__name__)
            return None
        return found if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType]  # JSON

    async def close(self) -> None:
        await self._client.aclose()

    async def _get(self, url: str) -> bytes | None:
        content = bytearray()
        try:
            async with self._client.stream("GET", url) as response:
                if response.is_server_error:
                    raise _Retryable
                if not response.is_success:
                    return None
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > MAX_BYTES:
                        return None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise _Retryable from None
        return bytes(content)
