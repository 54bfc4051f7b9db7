"""uvicorn on a bound socket, without signal handlers or its own logs."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator, Iterable
from typing import Any, ClassVar, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from msaas.kernel import new_id
from msaas.web.asgi import ASGIApp, Scope
from msaas.web.hijacked_connection import EXTENSION, HijackedConnection
from msaas.web.problems import problem_response

_MAX_HEAD_BYTES: Final = 64 * 1024
# Longer than that of proxies (mostly 60 s): if the server closes first, a request may arrive on a
# connection that is closing.
_KEEP_ALIVE_SECONDS: Final = 75
# What a client has to read of its answers in each period, unless it has read all of them.
_LEAST_READ_BYTES: Final = 16 * 1024
# Each costs a descriptor and some kilobytes; well below the limit of open files.
MAX_CONNECTIONS: Final = 8_192


class PortTaken(RuntimeError):
    """Another process listens on the port."""


class StartupFailed(RuntimeError):
    """The application's lifespan raised; its own error has been logged."""


def bind_socket(host: str, port: int) -> socket.socket:
    """Bind before anything else starts, so that a taken port fails first."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}") from error


class HttpServer(uvicorn.Server):
    """Installs no signal handlers, and raises where uvicorn would exit the process."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        drain_seconds: float,
        lifespan: bool = True,
        on_started: Callable[[], None] = lambda: None,
    ) -> None:
        config = uvicorn.Config(
            app,
            http=ProblemHttpProtocol,
            ws="none",
            lifespan="on" if lifespan else "off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(drain_seconds)),
        )
        super().__init__(config)
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as error:
            raise StartupFailed("the application did not start") from error
        self._on_started()


class ProblemHttpProtocol(HttpToolsProtocol):
    """Responds to invalid HTTP with a problem; ends slow heads and answers that are not read."""

    head_timeout: ClassVar[float] = 10.0
    read_timeout: ClassVar[float] = 30.0
    max_connections: ClassVar[int] = MAX_CONNECTIONS
    _head_size = 0
    _head_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None
    _hijacked_connection: HijackedConnection

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # to be told of all that is not read
        self._hijacked_connection = HijackedConnection(transport, self._finish_cycle)
        self._start_head_timer()
        if len(self.connections) > self.max_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timer()
        self._cancel_read_timer()
        super().connection_lost(exc)
        self._hijacked_connection.connection_lost()

    def data_received(self, data: bytes) -> None:
        if not self._hijacked_connection.is_hijacked:
            super().data_received(data)
            self._watch_idle_connection()
            return
        self._head_size += len(data)
        if self._head_size > _MAX_HEAD_BYTES:
            self._hijacked_connection.abort()  # the client of an endless response sends no more

    def on_message_begin(self) -> None:
        self._head_size = 0
        self._start_head_timer()
        super().on_message_begin()
        cast("Scope", self.scope)["extensions"] = {EXTENSION: self._hijacked_connection}

    def on_headers_complete(self) -> None:
        self._cancel_head_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.cycle.response_complete:  # answered early: the connection is idle from now on
            self._cancel_head_timer()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_url(self, url: bytes) -> None:
        self._count_head_bytes(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head_bytes(name + value)
        super().on_header(name, value)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_read_timer()

    def resume_writing(self) -> None:
        self._cancel_read_timer()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        correlation_id = str(new_id())
        scope = {"path": "", "state": {"correlation_id": correlation_id}}
        response = problem_response(scope, "malformed", detail=msg)
        head = [
            b"HTTP/1.1 400 Bad Request",
            *(b": ".join(header) for header in response.raw_headers),
            b"x-correlation-id: " + correlation_id.encode(),
            b"connection: close",
        ]
        self.transport.write(b"\r\n".join(head) + b"\r\n\r\n" + bytes(response.body))
        self.transport.close()

    @property
    def _is_idle(self) -> bool:
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    def _watch_idle_connection(self) -> None:
        """Limit the time of bytes that begin no request: uvicorn has stopped its own timer."""
        if self._is_idle and not (self._head_timer or self.timeout_keep_alive_task):
            self._start_head_timer()

    def _make_room(self) -> None:
        """Close a connection without a request, so that held connections lock nobody out."""
        protocols = cast("Iterable[object]", self.connections)
        others = (other for other in protocols if isinstance(other, ProblemHttpProtocol))
        idle = next((other for other in others if other.can_be_closed and other is not self), self)
        idle.transport.abort()

    @property
    def can_be_closed(self) -> bool:
        hijacked = self._hijacked_connection.is_hijacked
        return self._is_idle and not hijacked and not self.transport.is_closing()

    def _start_head_timer(self) -> None:
        self._cancel_head_timer()
        self._head_timer = self.loop.call_later(self.head_timeout, self._end_slow_connection)

    def _end_slow_connection(self) -> None:
        self._head_timer = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # an answer that is not read would keep it open
        else:
            self.transport.close()

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _start_read_timer(self) -> None:
        unread = self.transport.get_write_buffer_size()
        self._read_timer = self.loop.call_later(self.read_timeout, self._end_unread, unread)

    def _end_unread(self, unread: int) -> None:
        """Abort a connection whose client reads too little; a live stream has its own limit."""
        read = unread - self.transport.get_write_buffer_size()
        if read >= _LEAST_READ_BYTES or self._hijacked_connection.is_hijacked:
            self._start_read_timer()
        else:
            self.transport.abort()

    def _cancel_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _finish_cycle(self) -> None:
        """Make uvicorn consider the response complete; the application writes the rest."""
        self.cycle.response_complete = True

    def _count_head_bytes(self, part: bytes) -> None:
        self._head_size += len(part)
        if self._head_size > _MAX_HEAD_BYTES:
            raise ValueError("the head of the request is too large")  # the parser responds with 400
