"""Reads the CPU of measured processes, and suspends the others."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil


def cpu_seconds(pid: int) -> float:
    """Return the CPU of a process and its running children; in nanoseconds on Linux."""
    return sum(map(_own_cpu, list_family(pid)))


def list_family(pid: int | None = None) -> list[psutil.Process]:
    """List a process, by default this one, and all its descendants."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def pin(processes: Iterable[psutil.Process], cores: Sequence[int]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess, AttributeError):  # macOS cannot
            process.cpu_affinity(list(cores))


@contextmanager
def suspended(processes: Sequence[psutil.Process]) -> Generator[None]:
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def _own_cpu(process: psutil.Process) -> float:
    tasks = list(Path(f"/proc/{process.pid}/task").glob("*/schedstat"))
    if tasks:
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9
    times = process.cpu_times()
    return times.user + times.system
