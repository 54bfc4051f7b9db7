"""Runs a process: internal port, work, signals, drain."""

import asyncio
import contextlib
import gc
import resource
import signal
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Final

import uvloop

from msaas.telemetry import get_logger
from msaas.web.asgi import ASGIApp
from msaas.web.health import Health
from msaas.web.server import HttpServer, bind_socket

ProcessWork = Callable[[asyncio.Event], Awaitable[None]]

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_OPEN_FILES_LIMIT: Final = 65_536
_LIFESPAN_SHUTDOWN_SECONDS: Final = 5.0  # for the lifespan's end, after the last request


def run(main: Coroutine[Any, Any, None]) -> None:
    # Imported objects live as long as the process; the collector need not scan them.
    gc.freeze()
    _raise_open_files_limit()
    uvloop.run(main)


def _raise_open_files_limit() -> None:
    """Raise the soft limit of 1,024: streams may need more connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _OPEN_FILES_LIMIT if hard == resource.RLIM_INFINITY else min(_OPEN_FILES_LIMIT, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


async def serve(
    app: ASGIApp,
    *,
    address: tuple[str, int],
    internal_app: ASGIApp,
    internal_address: tuple[str, int],
    health: Health,
    drain_seconds: float = 20.0,
) -> None:
    """Serve HTTP until SIGTERM; then become unready and finish the requests in flight."""
    listener = bind_socket(*address)

    async def work(stop: asyncio.Event) -> None:
        server = HttpServer(app, drain_seconds=drain_seconds, on_started=health.start)
        await _serve_until(stop, server, listener)

    with listener:
        await run_process(
            work,
            internal_app=internal_app,
            internal_address=internal_address,
            health=health,
            drain_seconds=drain_seconds + _LIFESPAN_SHUTDOWN_SECONDS,
        )


async def run_process(
    work: ProcessWork,
    *,
    internal_app: ASGIApp,
    internal_address: tuple[str, int],
    health: Health,
    drain_seconds: float = 20.0,
) -> None:
    """Run `work`, which calls `health.start` when ready and returns soon after `stop` is set.

    A second signal, or the end of the drain time, cancels it.
    """
    stop = asyncio.Event()
    internal_stop = asyncio.Event()
    with bind_socket(*internal_address) as listener:
        server = HttpServer(internal_app, drain_seconds=1.0, lifespan=False)
        internal = asyncio.create_task(_serve_until(internal_stop, server, listener))
        working = asyncio.ensure_future(work(stop))
        try:
            with _on_signal(lambda: _begin_shutdown(health, stop, working)):
                await _wait_for_work(working, internal, stop, drain_seconds)
        finally:
            internal_stop.set()
            await internal


def _begin_shutdown(health: Health, stop: asyncio.Event, working: "asyncio.Future[None]") -> None:
    if stop.is_set():
        working.cancel()
    get_logger().info("process_drain_began")
    health.drain()
    stop.set()


async def _wait_for_work(
    working: "asyncio.Future[None]",
    internal: "asyncio.Task[None]",
    stop: asyncio.Event,
    drain_seconds: float,
) -> None:
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, internal, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({working}, timeout=drain_seconds)
    finally:
        stopping.cancel()
        overdue = working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
    if overdue:
        get_logger().warning("process_drain_overran", seconds=drain_seconds)


async def _serve_until(stop: asyncio.Event, server: HttpServer, listener: Any) -> None:
    serving = asyncio.create_task(server.serve([listener]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        server.should_exit = True
        await serving


@contextlib.contextmanager
def _on_signal(handler: Callable[[], None]) -> Generator[None]:
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
