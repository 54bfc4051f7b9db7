"""Egress proxies: SOCKS5 servers on loopback that resolve, check and pin addresses.

Each job has its own egress proxy, which is open as long as its page. Chromium connects through it
for every page, frame, worker and redirect, by host name; it never resolves a name itself. The proxy
connects to exactly the addresses that the policy has checked, so DNS rebinding has no effect.
"""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, Self

from msaas.browser_worker.egress.host_patterns import parse_address
from msaas.browser_worker.egress.policy import EgressPolicy, Refusal
from msaas.browser_worker.egress.resolver import Resolver
from msaas.browser_worker.egress.socks import (
    NOT_ALLOWED,
    REFUSED,
    SUCCEEDED,
    read_request,
    reply,
)
from msaas.browser_worker.egress.traffic import EndpointTraffic, TrafficDirection, TrafficLog
from msaas.browser_worker.limits import Limits
from msaas.telemetry import Metrics

Lookup = Callable[[str], Awaitable[Sequence[str]]]
_RecordBytes = Callable[[int], None]

_LOOKUP_SECONDS: Final = 5.0
_MAX_CONCURRENT_LOOKUPS: Final = 8
_CONNECT_SECONDS: Final = 10.0
_HANDSHAKE_SECONDS: Final = 10.0
_MAX_ADDRESSES: Final = 3
_CHUNK: Final = 64 * 1024
_REPLIES: Final = {Refusal.UNREACHABLE: REFUSED}


class EgressRefused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


class EgressProxyFactory:
    """Opens egress proxies with one policy; an async context manager where one is prepared."""

    def __init__(
        self,
        policy: EgressPolicy,
        metrics: Metrics,
        lookup: Lookup | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._policy = policy
        self._lookup = lookup or Resolver().resolve
        self._prepared: EgressProxy | None = None
        self._prepare_lock = asyncio.Lock()
        self._refusals_total = metrics.counter(
            "jobs_browser_blocked_requests_total",
            "Connections of pages that were refused.",
            ("reason",),
        )
        self._bytes_total = metrics.counter(
            "jobs_browser_bytes_total", "Bytes between pages and the network.", ("direction",)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._prepared is not None:
            await self._prepared.close()

    @asynccontextmanager
    async def open_proxy(self, *, use_prepared: bool = False) -> AsyncGenerator["EgressProxy"]:
        """Open an egress proxy for one job; closing it closes all of its connections.

        With `use_prepared` it is the prepared proxy, if there is one.
        """
        proxy, self._prepared = (self._prepared, None) if use_prepared else (None, self._prepared)
        proxy = proxy or await EgressProxy(self).open()
        try:
            yield proxy
        finally:
            await proxy.close()

    async def prepare_proxy(self) -> str:
        """Open the egress proxy of a later job and return its URL."""
        async with self._prepare_lock:
            if self._prepared is None:
                self._prepared = await EgressProxy(self).open()
            return self._prepared.url

    async def connect(
        self, host: str, port: int, lookup_slots: asyncio.Semaphore
    ) -> tuple[StreamReader, StreamWriter]:
        """Connect to an address that was checked."""
        is_address = parse_address(host) is not None
        addresses = [host] if is_address else await self._resolve(host, lookup_slots)
        if refusal := self._policy.find_refusal(host, port, addresses):
            raise EgressRefused(refusal)
        for address in addresses[:_MAX_ADDRESSES]:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(address, port)
        raise EgressRefused(Refusal.UNREACHABLE)

    def record_refusal(self, refusal: Refusal, host: str, port: int) -> Refusal:
        """Count the reason for the operator, and return the one that the user is told."""
        self._refusals_total.labels(refusal.value).inc()
        return self._policy.find_reported_refusal(refusal, host, port)

    def record_bytes(self, direction: TrafficDirection, size: int) -> None:
        self._bytes_total.labels(direction).inc(size)

    async def _resolve(self, host: str, lookup_slots: asyncio.Semaphore) -> Sequence[str]:
        try:
            async with asyncio.timeout(_LOOKUP_SECONDS), lookup_slots:
                return await self._lookup(host)
        except socket.gaierror as error:
            is_lasting = error.errno != socket.EAI_AGAIN
            raise EgressRefused(
                Refusal.UNKNOWN_HOST if is_lasting else Refusal.UNREACHABLE
            ) from None
        except (TimeoutError, ValueError):
            raise EgressRefused(Refusal.UNREACHABLE) from None


class EgressProxy:
    """The egress proxy of one job; it calls `on_limit_exceeded` beyond the traffic limits."""

    def __init__(self, factory: EgressProxyFactory) -> None:
        self.url = ""
        self.limits = factory.limits
        self.traffic = TrafficLog(factory.limits)
        self.on_limit_exceeded: Callable[[], None] = lambda: None
        self._factory = factory
        self._connections: set[asyncio.Task[None]] = set()
        # A page with many host names does not delay the lookups of others.
        self._lookup_slots = asyncio.Semaphore(_MAX_CONCURRENT_LOOKUPS)
        self._server: asyncio.Server | None = None

    async def open(self) -> Self:
        self._server = await asyncio.start_server(self.handle_connection, "127.0.0.1", 0)
        self.url = f"socks5://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def handle_connection(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Run inside the task that the server created for the connection."""
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        # A client that disconnects, violates the protocol or is too slow is disconnected.
        with suppress(OSError, EOFError, ValueError, TimeoutError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.close()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._cancel_connections()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await self._server.wait_closed()

    def _cancel_connections(self) -> None:
        for task in self._connections:
            task.cancel()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        async with asyncio.timeout(_HANDSHAKE_SECONDS):
            host, port = await read_request(reader, writer)
        try:
            upstream_reader, upstream_writer = await self._connect(host, port)
        except EgressRefused as refused:
            refusal = self._factory.record_refusal(refused.refusal, host, port)
            self.traffic.record_refusal(host, port, refusal)
            writer.write(reply(_REPLIES.get(refused.refusal, NOT_ALLOWED)))
            await writer.drain()
            return
        endpoint = self.traffic.record_connection(host, port)
        try:
            writer.write(reply(SUCCEEDED))
            await _relay(
                _copy(reader, upstream_writer, partial(self._record_bytes, endpoint, "sent")),
                _copy(upstream_reader, writer, partial(self._record_bytes, endpoint, "received")),
            )
        finally:
            upstream_writer.close()

    async def _connect(self, host: str, port: int) -> tuple[StreamReader, StreamWriter]:
        if self.traffic.is_over_limit or len(self._connections) > self.limits.connections:
            raise EgressRefused(Refusal.LIMIT_EXCEEDED)
        return await self._factory.connect(host, port, self._lookup_slots)

    def _record_bytes(
        self, endpoint: EndpointTraffic, direction: TrafficDirection, size: int
    ) -> None:
        self.traffic.record_bytes(endpoint, direction, size)
        self._factory.record_bytes(direction, size)
        if self.traffic.is_over_limit:
            self.on_limit_exceeded()
            self._cancel_connections()


async def _relay(*directions: Awaitable[None]) -> None:
    """Copy bytes both ways until either side ends: a browser never half-closes."""
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: StreamReader, writer: StreamWriter, record_bytes: _RecordBytes) -> None:
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            record_bytes(len(chunk))
            writer.write(chunk)
            await writer.drain()
