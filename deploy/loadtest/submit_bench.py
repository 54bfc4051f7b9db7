"""What submitting costs: the fleet under 10,000 requests a minute, beside a bare FastAPI POST.

Latency counts from when a request was due, not from when it was sent, so that a server that stalls
cannot slow the measurement down with itself.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from msaas.cli.api_client import ApiClient
from msaas.local import Home
from msaas.local.running import RunningFleet, find_running
from msaas.local.servers import find_free_port
from msaas.local.state import find_state

PROMISE_MS = 50.0
MOST_TIMES_BARE = 4.5
MOST_AUTH_MS = 0.2
CONNECTIONS = 40
BLOCK = 200
USERS = 20
PARTS = ("gateway", "jobs", "jobs-worker", "redis", "postgres")
BODY = json.dumps({"task_type": "echo", "params": {"message": "measured"}}).encode()
BARE = """
import sys, uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
class Params(BaseModel):
    message: str
class Job(BaseModel):
    task_type: str
    params: Params
app = FastAPI()
@app.post("/api/v1/jobs", status_code=202)
async def submit(job: Job) -> Job:
    return job
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


class Connection:
    """One kept-alive HTTP/1.1 connection with as little of its own cost as asyncio allows."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self._address = (host, port)
        head = f"HTTP/1.1\r\nhost: {host}:{port}\r\nauthorization: Bearer {token}\r\n"
        length = f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n"
        self._requests = {
            "POST /jobs": f"POST /api/v1/jobs {head}{length}\r\n".encode() + BODY,
            "GET /jobs": f"GET /api/v1/jobs?limit=20 {head}\r\n".encode(),
        }
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, route: str) -> int:
        reader, writer = self._streams or await self._open()
        writer.write(self._requests[route])
        head = await reader.readuntil(b"\r\n\r\n")
        fields = head.lower().split(b"\r\n")
        length = next(int(f[15:]) for f in fields if f.startswith(b"content-length:"))
        await reader.readexactly(length)
        return int(head[9:12])

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection(*self._address)
        return self._streams

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()


@dataclass
class Seen:
    """What the load saw, route by route."""

    seconds: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    refused: dict[int, int] = field(default_factory=dict[int, int])

    def add(self, route: str, status: int, seconds: float) -> None:
        self.seconds.setdefault(route, []).append(seconds)
        if status not in {200, 202}:
            self.refused[status] = self.refused.get(status, 0) + 1


async def load(connections: list[Connection], per_minute: int, seconds: float) -> Seen:
    """Send at a fixed rate, one POST for each GET, over whichever connection is free."""
    seen, free = Seen(), asyncio.Queue[Connection]()
    for one in connections:
        free.put_nowait(one)
    step, began = 60 / per_minute, time.perf_counter()

    async def send(number: int) -> None:
        due = began + number * step
        await asyncio.sleep(due - time.perf_counter())
        route = "POST /jobs" if number % 2 == 0 else "GET /jobs"
        connection = await free.get()
        try:
            seen.add(route, await connection.ask(route), time.perf_counter() - due)
        finally:
            free.put_nowait(connection)

    async with asyncio.TaskGroup() as group:
        for number in range(round(seconds / step)):
            group.create_task(send(number))
    return seen


def cpu_seconds(pid: int) -> float:
    """CPU of a process with its living children; Linux tells it in nanoseconds."""
    process = psutil.Process(pid)
    return sum(map(_own_cpu, (process, *process.children(recursive=True))))


def _own_cpu(process: psutil.Process) -> float:
    tasks = list(Path(f"/proc/{process.pid}/task").glob("*/schedstat"))
    if tasks:
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9
    times = process.cpu_times()
    return times.user + times.system


def part_pids(home: Home) -> dict[str, int]:
    state = find_state(home.state_path)
    parts = state.parts if state else []
    return {part.name: part.process.pid for part in parts if part.process and part.name in PARTS}


async def one_by_one(connection: Connection, pid: int, count: int) -> float:
    """Return CPU seconds of the server for each POST."""
    before = cpu_seconds(pid)
    for _ in range(count):
        await connection.ask("POST /jobs")
    return (cpu_seconds(pid) - before) / count


async def against_bare(gateway: Connection, gateway_pid: int, token: str) -> tuple[float, float]:
    """Measure POST after POST in blocks that take turns with a bare FastAPI application."""
    port = find_free_port()
    bare = await asyncio.create_subprocess_exec(sys.executable, "-c", BARE, str(port))
    connection = Connection("127.0.0.1", port, token)
    try:
        await answered(lambda: connection.ask("POST /jobs"))
        blocks: list[tuple[float, float]] = []
        for _ in range(6):
            ours = await one_by_one(gateway, gateway_pid, BLOCK)
            blocks.append((ours, await one_by_one(connection, bare.pid, BLOCK)))
    finally:
        connection.close()
        bare.terminate()
        await bare.wait()
    ours_each, bare_each = zip(*blocks[1:], strict=True)
    return statistics.median(ours_each), statistics.median(bare_each)


async def answered(ask: Callable[[], Awaitable[int]]) -> None:
    for _ in range(200):
        try:
            await ask()
        except OSError:
            await asyncio.sleep(0.05)
        else:
            return
    raise TimeoutError("the bare application did not start")


async def auth_seconds(home: Home) -> tuple[float, float]:
    """Read sum and count of the gateway's own histogram of token checks."""
    state = find_state(home.state_path)
    parts = state.parts if state else []
    gateway = next(part for part in parts if part.name == "gateway" and part.process)
    ports = {
        connection.laddr.port
        for connection in psutil.Process(gateway.process.pid).net_connections("tcp")  # pyright: ignore[reportOptionalMemberAccess]  # asked for above
        if connection.status == psutil.CONN_LISTEN
    }
    async with httpx.AsyncClient() as client:
        for port in ports:
            answer = await client.get(f"http://127.0.0.1:{port}/metrics")
            if answer.is_success:
                return _read(answer.text, "sum"), _read(answer.text, "count")
    raise LookupError("the gateway shows no metrics")


def _read(metrics: str, what: str) -> float:
    name = f"msaas_jwt_validation_duration_seconds_{what}"
    return sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(name))


@contextmanager
def fleet_of_its_own() -> Generator[tuple[Home, RunningFleet]]:
    with tempfile.TemporaryDirectory(prefix="msaas-bench-") as folder:
        Path(folder).chmod(0o711)
        home = Home(Path(folder) / "home")
        environment = {
            **os.environ,
            "MSAAS_HOME": str(home.path),
            "IDENTITY_SIGN_INS_PER_MINUTE": "1000",
            "GATEWAY_RATE_LIMITS_ENFORCED": "false",
        }
        local = [sys.executable, "-m", "msaas.local"]
        subprocess.run([*local, "up", "--detach"], env=environment, check=True)
        try:
            fleet = find_running(home)
            if fleet is None:
                raise LookupError("the fleet is not running")
            for number in range(USERS):
                seed_user(fleet, environment, email_of(number))
            yield home, fleet
        finally:
            subprocess.run([*local, "down", "--wipe"], env=environment, check=False)


def email_of(number: int) -> str:
    return f"bench-{number}@example.com"


def seed_user(fleet: RunningFleet, environment: dict[str, str], email: str) -> None:
    words = ["seed-user", "--email", email, "--password-env", "BENCH_PASSWORD"]
    settings = {"ENVIRONMENT": "local", "DATABASE_URL": fleet.identity_database_url}
    subprocess.run(
        [sys.executable, "-m", "msaas.identity", *words, "--plan", "ENTERPRISE"],
        env={**environment, **settings, "BENCH_PASSWORD": fleet.password},
        check=True,
    )


async def sign_in(fleet: RunningFleet, number: int) -> str:
    async with ApiClient(fleet.gateway_url, fleet.supabase_url, fleet.anon_key) as api:
        token = await api.sign_in(email_of(number), fleet.password)
        await api.me()
        return token


async def measure(home: Home, fleet: RunningFleet, per_minute: int, seconds: float) -> bool:
    tokens = [await sign_in(fleet, number) for number in range(USERS)]
    address = httpx.URL(fleet.gateway_url)
    connections = [
        Connection(address.host, address.port or 80, tokens[number % USERS])
        for number in range(CONNECTIONS)
    ]
    pids = part_pids(home)
    await load(connections, per_minute, 5)
    auth_before = await auth_seconds(home)
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    seen = await load(connections, per_minute, seconds)
    cpu = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
    auth_after = await auth_seconds(home)
    ours, bare = await against_bare(connections[0], pids["gateway"], tokens[0])
    for one in connections:
        one.close()
    auth_ms = 1000 * (auth_after[0] - auth_before[0]) / (auth_after[1] - auth_before[1])
    return show(seen, cpu, ours / bare, ours * 1e6, auth_ms)


def show(seen: Seen, cpu: dict[str, float], ratio: float, ours_us: float, auth_ms: float) -> bool:
    requests = sum(map(len, seen.seconds.values()))
    print(f"\n{requests} requests; refused: {seen.refused or 'none'}")
    p99s: list[float] = []
    for route, seconds in sorted(seen.seconds.items()):
        cuts = statistics.quantiles(seconds, n=100)
        p99s.append(cuts[98] * 1000)
        print(f"  {route:<12} p50 {cuts[49] * 1000:6.2f} ms   p99 {cuts[98] * 1000:6.2f} ms")
    print("CPU a request:")
    for name, spent in cpu.items():
        print(f"  {name:<12} {spent / requests * 1e6:8.0f} µs")
    print(f"  {'all':<12} {sum(cpu.values()) / requests * 1e6:8.0f} µs")
    print(f"POST /jobs in the gateway: {ours_us:.0f} µs, {ratio:.2f} x bare FastAPI POST", end="")
    print(f" (aim ≤ {MOST_TIMES_BARE})")
    print(f"auth, warm: {auth_ms:.3f} ms a request (aim < {MOST_AUTH_MS})")
    kept = max(p99s) < PROMISE_MS and not seen.refused
    print(f"promise: p99 < {PROMISE_MS:.0f} ms and nothing refused: {'kept' if kept else 'MISSED'}")
    return kept


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="msaas bench submit", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--per-minute", type=int, default=10_000)
    options: Any = parser.parse_args(argv)
    with fleet_of_its_own() as (home, fleet):
        kept = asyncio.run(measure(home, fleet, options.per_minute, options.seconds))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
