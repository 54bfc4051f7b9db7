"""A part of the fleet: a command, a readiness check and the parts that it depends on."""

import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from msaas.embedded import EmbeddedServer


@dataclass(frozen=True, kw_only=True)
class Part:
    """Values are functions, because an address is known only once its part has started.

    A part that runs `once` is a step: it is ready when it exits with 0, and is not restarted.
    """

    name: str
    command: Callable[[], list[str]]
    environment: Callable[[], Mapping[str, str]]
    is_ready: Callable[[int], bool] = lambda _pid: True
    prepare: Callable[[], None] = lambda: None
    url: Callable[[], str] | None = None
    depends_on: tuple[str, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    start_timeout: float = 180.0  # seconds; a busy machine takes ten times as long as a quiet one
    drain_timeout: float = 20.0
    once: bool = False


def server_part(server: EmbeddedServer) -> Part:
    return Part(
        name=server.name,
        command=server.command,
        environment=lambda: server.environment,
        is_ready=server.is_ready,
        prepare=server.prepare,
        url=lambda: server.url,
        stop_signal=server.stop_signal,
    )


def start_order(parts: Iterable[Part]) -> list[Part]:
    """Order the parts so that each comes after its dependencies."""
    by_name = {part.name: part for part in parts}
    sorter = TopologicalSorter({name: part.depends_on for name, part in by_name.items()})
    return [by_name[name] for name in sorter.static_order()]
