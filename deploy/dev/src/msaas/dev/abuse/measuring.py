"""Measures the processor time and the memory that a process and its descendants use."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

_INTERVAL: Final = 0.1
_HELD_KILOBYTES: Final = re.compile(rb"^Rss(?:Anon|Shmem):\s+(\d+) kB", re.MULTILINE)
_IDLE_CPU: Final = 0.02
_IDLE_CHECK_SECONDS: Final = 0.5
_BUSY_SECONDS: Final = 60.0
_LOOPS: Final = 1_000_000
_LOOPS_SECONDS: Final = 0.1


class Cost:
    """What the processes used since the first sample, the highest memory included."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before: dict[psutil.Process, float] = {}
        self._last: dict[psutil.Process, float] = {}
        self._held_before = self._most_held = 0
        self.sample()
        self._before = dict(self._last)
        self._held_before = self._most_held

    @property
    def cpu_seconds(self) -> float:
        """Include processes that have ended, up to their last sample."""
        return sum(last - self._before.get(each, 0.0) for each, last in self._last.items())

    @property
    def megabytes(self) -> float:
        return (self._most_held - self._held_before) / 1024**2

    def sample(self) -> None:
        held = 0
        for process in list_tree(self._pid):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                self._last[process] = times.user + times.system
                held += measure_memory(process)
        self._most_held = max(self._most_held, held)


@asynccontextmanager
async def measure_cost(pid: int) -> AsyncGenerator[Cost]:
    cost = Cost(pid)
    sampling = asyncio.create_task(_sample_regularly(cost))
    try:
        yield cost
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
        cost.sample()


async def wait_until_idle(cost: Cost) -> None:
    """Wait until the processes have nothing left to do, so that delayed work is measured too."""
    deadline, before = time.monotonic() + _BUSY_SECONDS, -1.0
    while cost.cpu_seconds - before > _IDLE_CPU and time.monotonic() < deadline:
        before = cost.cpu_seconds
        await asyncio.sleep(_IDLE_CHECK_SECONDS)


def measure_slowness() -> float:
    """Return how many times slower than a usual machine this one is at present, at least 1."""
    began = time.process_time()
    for _ in range(_LOOPS):
        pass
    return max(1.0, (time.process_time() - began) / _LOOPS_SECONDS)


def list_tree(pid: int) -> Iterator[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        yield process
        yield from process.children(recursive=True)


def measure_memory(process: psutil.Process) -> int:
    """Return what a process holds, without the programs and libraries that it maps."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_bytes()
    except OSError:  # it has ended, or this is no Linux
        return process.memory_info().rss
    return 1024 * sum(int(kilobytes) for kilobytes in _HELD_KILOBYTES.findall(status))


async def _sample_regularly(cost: Cost) -> None:
    while True:
        await asyncio.sleep(_INTERVAL)
        cost.sample()
