"""Runs measured processes, reads their CPU, and suspends the others."""

import asyncio
import subprocess
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx
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


@asynccontextmanager
async def running(
    command: Sequence[str], environment: dict[str, str], port: int, path: str
) -> AsyncGenerator[psutil.Process]:
    """Run a program inside the block; it is ready when it responds at `path`, unless with a 5xx."""
    started = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient() as client, asyncio.timeout(60):
            while not await _responds(client, f"http://127.0.0.1:{port}{path}"):
                await asyncio.sleep(0.1)
        yield psutil.Process(started.pid)
    finally:
        started.kill()
        await started.wait()


async def _responds(client: httpx.AsyncClient, url: str) -> bool:
    try:
        response = await client.get(url)
    except httpx.TransportError:
        return False
    return not response.is_server_error
