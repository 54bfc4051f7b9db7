"""Fetches the published keys, bounded in time and size, without redirects."""

import asyncio
from typing import Final

import httpx

from msaas.auth.jwks import MAX_BYTES, InvalidJwks
from msaas.kernel import DependencyUnavailable

FETCH_TIMEOUT: Final = 2.0
BREAKER_TARGET: Final = "jwks"


class JwksClient:
    def __init__(self, url: str) -> None:
        self._url = url
        # No compression: a small compressed response could be large.
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        self._client = httpx.AsyncClient(headers=headers, follow_redirects=False, trust_env=False)

    async def __call__(self) -> bytes:
        try:
            async with (
                asyncio.timeout(FETCH_TIMEOUT),
                self._client.stream("GET", self._url) as response,
            ):
                if response.status_code != 200:  # noqa: PLR2004  # 200 OK
                    raise DependencyUnavailable(
                        f"status {response.status_code}", target=BREAKER_TARGET
                    )
                return await _read(response)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise DependencyUnavailable(type(error).__name__, target=BREAKER_TARGET) from error

    async def close(self) -> None:
        await self._client.aclose()


async def _read(response: httpx.Response) -> bytes:
    body = b""
    async for part in response.aiter_raw():
        body += part
        if len(body) > MAX_BYTES:
            raise InvalidJwks("too large")
    return body
