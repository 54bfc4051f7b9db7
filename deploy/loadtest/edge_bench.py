"""Measures each API route under the target load, with the whole fleet running.

Virtual users send a mix of requests for their own jobs, as a dashboard and a script would, and some
follow the event stream. The load stays below the rate limits. Then the cost of a POST is compared
with that of a bare FastAPI application. Exits with 1 when a goal is missed.
"""

import json
import os
import random
import statistics
import sys
from argparse import Namespace
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import cycle, islice

import httpx
import psutil
from api_load import HttpConnection, LoadRequest, LoadResponse, LoadStats, LoadWorker, run_load
from goals import Table, address_of, get_pid, measure_fleet, parse_options, percentiles
from measured_processes import cpu_seconds, list_family, running
from stream_readers import Reader, build_stream_request, close_all, open_reader

from msaas.dev.chaos import sign_in_new_user
from msaas.dev.chaos.isolated_fleet import IsolatedFleet
from msaas.embedded import find_free_port
from msaas.local.api_client import ApiClient

MAX_P99_MS, TARGET_P99_MS = 50.0, 25.0
MAX_AUTH_MS, TARGET_AUTH_MS = 2.0, 0.2
TARGET_RATIO = 4.5
CONNECTIONS = 60
WARM_UP = 10.0
PARTS = ("gateway", "jobs", "jobs-worker", "redis", "postgres")
BODY = json.dumps({"task_type": "echo", "params": {"message": "measured"}}).encode()
BATCH = json.dumps({"jobs": [json.loads(BODY)] * 5}).encode()
# Requests of each kind in a hundred; those for one job use one of the user's latest.
MIX = {
    ("POST", "/jobs"): 20,
    ("POST", "/jobs/batch"): 1,
    ("POST", "/jobs/{id}/cancel"): 1,
    ("GET", "/jobs"): 17,
    ("GET", "/jobs?status=COMPLETED"): 5,
    ("GET", "/jobs/{id}"): 16,
    ("GET", "/jobs/{id}/status"): 12,
    ("GET", "/jobs/{id}/timeline"): 5,
    ("GET", "/me"): 12,
    ("GET", "/task-types"): 6,
    ("GET", "/usage"): 3,
    ("GET", "/summaries/jobs-overview"): 2,
}
BODIES = {"/jobs": BODY, "/jobs/batch": BATCH}
BLOCKS = 6
APPLICATION = """
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
# Statuses that are not errors here: a job to cancel may have ended.
ACCEPTED = 202
EXPECTED_STATUSES = {"POST /jobs/{id}/cancel": {409}}


class VirtualUser:
    """Sends requests of the mix for its own jobs."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._jobs: deque[str] = deque(maxlen=50)

    def next_request(self) -> LoadRequest:
        [(method, path)] = self._rng.choices(list(MIX), list(MIX.values()))
        if "{id}" in path and not self._jobs:
            method, path = "POST", "/jobs"
        route = f"{method} {path}"
        if "{id}" in path:
            path = path.replace("{id}", self._rng.choice(self._jobs))
        body = BODIES.get(path, b"") if method == "POST" else b""
        return LoadRequest(route, method, path, body, self._rng.randbytes(16).hex() if body else "")

    def on_response(self, request: LoadRequest, response: LoadResponse) -> None:
        if request.route == "POST /jobs" and response.status == ACCEPTED:
            self._jobs.append(json.loads(response.body)["id"])


class GatewayProbe:
    """Reads the metrics of the gateway."""

    def __init__(self, fleet: IsolatedFleet) -> None:
        self.pid = get_pid(fleet, "gateway")
        self._ports = {
            connection.laddr.port
            for process in list_family(self.pid)
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }

    async def auth_totals(self) -> tuple[float, float]:
        """Return the seconds spent on checking tokens, and the number of checks."""
        text = await self._metrics()
        return _total(text, "sum"), _total(text, "count")

    async def _metrics(self) -> str:
        async with httpx.AsyncClient(timeout=5) as client:
            for port in self._ports:
                response = await client.get(f"http://127.0.0.1:{port}/metrics")
                if response.is_success:
                    return response.text
        raise LookupError("the gateway serves no metrics")


def _total(metrics: str, suffix: str) -> float:
    name = f"msaas_jwt_validation_duration_seconds_{suffix}"
    return sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(name))


def cpu_by_part(fleet: IsolatedFleet) -> dict[str, float]:
    return {name: cpu_seconds(get_pid(fleet, name)) for name in PARTS}


async def open_listeners(
    fleet: IsolatedFleet, users: Sequence[ApiClient], each: int
) -> list[Reader]:
    """Open `each` event streams for every user."""
    host, port = address_of(fleet)
    return [
        await open_reader(
            host, port, build_stream_request(host, user.authorization), lambda _job_id, _now: None
        )
        for user in users
        for _ in range(each)
    ]


def build_workers(fleet: IsolatedFleet, users: Sequence[ApiClient]) -> list[LoadWorker]:
    host, port = address_of(fleet)
    pairs = [
        (user, VirtualUser(random.Random(number)))  # noqa: S311  # the same mix in each run
        for number, user in enumerate(users)
    ]
    return [
        LoadWorker(
            HttpConnection(host, port, user.authorization),
            virtual_user.next_request,
            virtual_user.on_response,
        )
        for user, virtual_user in islice(cycle(pairs), CONNECTIONS)
    ]


async def measure(fleet: IsolatedFleet, options: Namespace) -> list[str]:
    async with AsyncExitStack() as stack:
        users = [
            await stack.enter_async_context(sign_in_new_user(fleet, "ENTERPRISE"))
            for _ in range(options.users)
        ]
        gateway, workers = GatewayProbe(fleet), build_workers(fleet, users)
        readers = await open_listeners(fleet, users, options.listeners // options.users)
        stack.push_async_callback(close_all, readers)
        await run_load(workers, options.per_minute, min(WARM_UP, options.seconds))
        auth_before, cpu_before = await gateway.auth_totals(), cpu_by_part(fleet)
        stats = await run_load(workers, options.per_minute, options.seconds)
        auth_after, cpu_after = await gateway.auth_totals(), cpu_by_part(fleet)
        post = LoadRequest("", "POST", "/jobs", BODY)
        gateway_seconds, bare_seconds = await compare_with_bare(
            workers[0].connection, gateway.pid, post, options.posts
        )
        for worker in workers:
            worker.connection.close()
    checks = auth_after[1] - auth_before[1]
    auth_ms = 1000 * (auth_after[0] - auth_before[0]) / checks if checks else 0.0
    cpu = {name: cpu_after[name] - spent for name, spent in cpu_before.items()}
    received = sum(reader.received for reader in readers)
    print(f"{stats.requests:,} requests; {len(readers)} listeners received {received:,} events")
    print(
        f"targets: p99 < {TARGET_P99_MS:.0f} ms, auth < {TARGET_AUTH_MS} ms, "
        f"POST ≤ {TARGET_RATIO} x bare"
    )
    table = Table()
    show_routes(stats, table)
    show_rest(stats, table, auth_ms)
    show_cpu(stats, table, cpu, options.seconds)
    ratio = f"{gateway_seconds / bare_seconds:.1f} x bare"
    table.row("POST /jobs, gateway alone", f"{gateway_seconds * 1e6:.0f} µs", ratio)
    return table.missed


def show_routes(stats: LoadStats, table: Table) -> None:
    table.row("route", "requests", "p50", "p95", "p99", "errors")
    for route, seconds in sorted(stats.seconds.items()):
        errors = stats.errors(route, 400) - sum(
            stats.statuses[route].get(status, 0) for status in EXPECTED_STATUSES.get(route, ())
        )
        show_p99(table, route, seconds, f"{errors / len(seconds):.2%}")
        if errors:
            table.missed.append(f"errors of {route}: {stats.statuses[route]}")
    show_p99(
        table,
        "every route together",
        [seconds for route in stats.seconds.values() for seconds in route],
    )


def show_p99(table: Table, name: str, seconds: Sequence[float], errors: str = "") -> None:
    p50, p95, p99 = percentiles(seconds)
    cells = (f"{len(seconds):,}", *(f"{value:.1f} ms" for value in (p50, p95, p99)), errors)
    goal = f"< {MAX_P99_MS:.0f} ms"
    table.goal(name, *cells, goal=goal, met=p99 < MAX_P99_MS)


def show_rest(stats: LoadStats, table: Table, auth_ms: float) -> None:
    failed = sum(stats.errors(route, 500) for route in stats.statuses)
    goal = f"< {MAX_AUTH_MS:.0f} ms"
    table.goal("auth, each request", f"{auth_ms:.3f} ms", goal=goal, met=auth_ms < MAX_AUTH_MS)
    table.goal("answers of 5XX", str(failed), goal="none", met=failed == 0)
    table.goal(
        "broken connections",
        str(stats.broken_connections),
        goal="none",
        met=stats.broken_connections == 0,
    )


def show_cpu(stats: LoadStats, table: Table, cpu: dict[str, float], seconds: float) -> None:
    table.row("CPU", "a request", "of a core")
    for name, spent in cpu.items():
        table.row(name, f"{spent / stats.requests * 1e6:.0f} µs", f"{spent / seconds:.1%}")


async def compare_with_bare(
    gateway: HttpConnection, pid: int, request: LoadRequest, count: int
) -> tuple[float, float]:
    """Return the CPU seconds of a POST to each, measured in alternating blocks."""
    port = find_free_port()
    command = (sys.executable, "-c", APPLICATION, str(port))
    connection = HttpConnection("127.0.0.1", port, "Bearer unused")
    async with running(command, dict(os.environ), port, "/") as bare:
        blocks = [
            (
                await measure_sequentially(gateway, pid, request, count),
                await measure_sequentially(connection, bare.pid, request, count),
            )
            for _ in range(BLOCKS)
        ]
        connection.close()
    gateway_seconds, bare_seconds = zip(*blocks[1:], strict=True)
    return statistics.median(gateway_seconds), statistics.median(bare_seconds)


async def measure_sequentially(
    connection: HttpConnection, pid: int, request: LoadRequest, count: int
) -> float:
    before = cpu_seconds(pid)
    for _ in range(count):
        await connection.send(request)
    return (cpu_seconds(pid) - before) / count


def main() -> int:
    defaults = {
        "seconds": (180.0, "length of the load"),
        "per-minute": (10_000, "requests"),
        "users": (20, "signed-in users"),
        "listeners": (100, "open event streams"),
        "posts": (200, "requests in a block of the comparison with bare FastAPI"),
    }
    return measure_fleet(measure, parse_options("edge", __doc__, defaults))


if __name__ == "__main__":
    sys.exit(main())
