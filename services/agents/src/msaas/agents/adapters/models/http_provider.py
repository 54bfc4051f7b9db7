"""One streamed request to a provider over HTTP, with a deadline for each of its phases."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol, cast

import httpx
import orjson

from msaas.agents.adapters.models.prices import most_usage
from msaas.agents.adapters.models.provider import (
    ProviderAnswer,
    ProviderFailed,
    ProviderRefused,
)
from msaas.agents.adapters.models.sse import EventTooLong, ServerEvent, read_events
from msaas.agents.application.ports import OnToken
from msaas.agents.domain.models import ModelRequest, TokenUsage

MAX_CHARACTERS_PER_TOKEN: Final = 32  # a longer answer ignores max_tokens
_MAX_RETRY_AFTER: Final = 3_600.0
_OK, _GATEWAY_TIMEOUT = 200, 504
_WORTH_A_RETRY: Final = {408: "timeout", 409: "conflict", 425: "overloaded", 429: "rate_limited"}
_OVERLOADED: Final = frozenset({503, 529})
_SERVER_ERRORS: Final = range(500, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTimeouts:
    """`whole` limits all requests of a call to one provider, with the waits between them."""

    connect: float = 5.0
    first_byte: float = 30.0
    idle: float = 20.0
    whole: float = 120.0


class StreamedAnswer(Protocol):
    """Collects the events of one answer."""

    def take(self, event: ServerEvent) -> str:
        """Return the text that the event adds; raise ProviderFailed where it is an error."""
        ...

    def finish(self) -> ProviderAnswer | None:
        """Return the answer, or None while its end has not been seen."""
        ...


class ChatFormat(Protocol):
    """The format of one API: its address, its headers, its request and its events."""

    @property
    def path(self) -> str: ...

    def headers(self, key: str) -> Mapping[str, str]: ...

    def body(self, model: str, request: ModelRequest) -> Mapping[str, Any]: ...

    def start_answer(self) -> StreamedAnswer: ...


class HttpProvider:
    def __init__(
        self,
        name: str,
        model: str,
        *,
        url: str,
        key: str,
        chat_format: ChatFormat,
        timeouts: ModelTimeouts,
    ) -> None:
        self.name: Final = name
        self.model: Final = model
        self._format = chat_format
        self._timeouts = timeouts
        self._url = url.rstrip("/") + chat_format.path
        self._headers = {
            "content-type": "application/json",
            "accept": "text/event-stream",
            "accept-encoding": "identity",  # a small compressed answer could be large
            **chat_format.headers(key),
        }
        self._client = httpx.AsyncClient(
            # Without https there are no certificates to load, which takes long.
            verify=url.startswith("https://") or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(None, connect=timeouts.connect, pool=timeouts.connect),
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=50),
        )

    def most_usage(self, request: ModelRequest) -> TokenUsage:
        return most_usage(request)

    async def ask(self, request: ModelRequest, on_text: OnToken) -> ProviderAnswer:
        try:
            return await self._ask(request, on_text)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise ProviderFailed("unreachable") from None
        except (
            httpx.LocalProtocolError,
            httpx.InvalidURL,
            httpx.UnsupportedProtocol,
            UnicodeError,
        ):
            # The text of such an error may quote a header, and so the key.
            raise ProviderRefused("invalid_request") from None
        except httpx.HTTPError:
            raise ProviderFailed("connection_lost", may_cost=True) from None

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, request: ModelRequest, on_text: OnToken) -> ProviderAnswer:
        content = orjson.dumps(self._format.body(self.model, request))
        seconds = self._timeouts.connect + self._timeouts.first_byte
        try:
            async with (
                asyncio.timeout(seconds) as deadline,
                self._client.stream(
                    "POST", self._url, content=content, headers=self._headers
                ) as response,
            ):
                if response.status_code != _OK:
                    raise _read_failure(response)
                return await self._read(response, request, on_text, deadline)
        except TimeoutError:
            raise ProviderFailed("timeout", may_cost=True) from None
        except EventTooLong:
            raise ProviderFailed("malformed", may_cost=True) from None

    async def _read(
        self,
        response: httpx.Response,
        request: ModelRequest,
        on_text: OnToken,
        deadline: asyncio.Timeout,
    ) -> ProviderAnswer:
        answer, length = self._format.start_answer(), 0
        now = asyncio.get_running_loop().time
        async for event in read_events(_Watched(response, deadline, now, self._timeouts.idle)):
            text = _take(answer, event)
            length += len(text)
            if text:
                await on_text(text)
            if length > request.max_tokens * MAX_CHARACTERS_PER_TOKEN:
                raise ProviderFailed("too_long", may_cost=True)
        finished = answer.finish()
        if finished is None:
            raise ProviderFailed("cut", may_cost=True)
        return finished


def _take(answer: StreamedAnswer, event: ServerEvent) -> str:
    try:
        return answer.take(event)
    except (LookupError, TypeError, AttributeError, ValueError):
        raise ProviderFailed("malformed", may_cost=True) from None


class _Watched:
    """The pieces of a response; each moves the deadline, and their number of bytes is limited."""

    def __init__(
        self, response: httpx.Response, deadline: asyncio.Timeout, now: Any, idle: float
    ) -> None:
        self._pieces = response.aiter_raw()
        self._deadline = deadline
        self._now = now
        self._idle = idle

    def __aiter__(self) -> "_Watched":
        return self

    async def __anext__(self) -> bytes:
        piece = await anext(self._pieces)
        self._deadline.reschedule(self._now() + self._idle)
        return piece


def read_json_event(event: ServerEvent) -> dict[str, Any]:
    try:
        value = orjson.loads(event.data)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise ProviderFailed("malformed", may_cost=True)
    return cast("dict[str, Any]", value)


def _read_failure(response: httpx.Response) -> ProviderFailed | ProviderRefused:
    status = response.status_code
    reason = _WORTH_A_RETRY.get(status)
    if status in _OVERLOADED:
        reason = "overloaded"
    elif status in _SERVER_ERRORS:
        reason = "server_error"
    if reason is None:
        return ProviderRefused(f"status_{status}")
    return ProviderFailed(
        reason, may_cost=status == _GATEWAY_TIMEOUT, retry_after=read_retry_after(response.headers)
    )


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a provider asks to wait, from any of the three ways to say so."""
    milliseconds, value = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds is not None:
            seconds = float(milliseconds) / 1e3
        elif value is None:
            return None
        elif value.strip().replace(".", "", 1).isdigit():
            seconds = float(value)
        else:
            moment = parsedate_to_datetime(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            seconds = (moment - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER) if seconds == seconds else None  # noqa: PLR0124  # not a number
