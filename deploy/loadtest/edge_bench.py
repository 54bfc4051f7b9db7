"""The edge under its promised load: the mix of the API, the whole fleet running, route by route.

Each user asks for what a dashboard and a script ask for, of jobs of its own, and submits them under
keys that are never used twice; some watch them live. Limits are counted, and refuse nobody. Then
one POST after the other, beside a bare FastAPI's. Exits with 1 when a goal is missed.
"""

import argparse
import json
import random
import statistics
import sys
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
from api_load import HttpConnection, LoadRequest, LoadResponse, LoadStats, LoadWorker, run_load
from bare_post import compare_with_bare
from goals import Table, measure_fleet
from process_cpu import cpu_seconds
from stream_readers import Reader, build_stream_request, close_all, open_reader

from msaas.dev.chaos import sign_in_new_user
from msaas.dev.chaos.isolated_fleet import IsolatedFleet
from msaas.local.api_client import ApiClient

PROMISED_MS, AIM_MS = 50.0, 25.0
AUTH_MS, AUTH_AIM_MS = 2.0, 0.2
AIM_TIMES_BARE = 4.5
CONNECTIONS = 60
WARM_UP = 10.0
PARTS = ("gateway", "jobs", "jobs-worker", "redis", "postgres")
BODY = json.dumps({"task_type": "echo", "params": {"message": "measured"}}).encode()
BATCH = json.dumps({"jobs": [json.loads(BODY)] * 5}).encode()
# How many of a hundred requests; those for one job ask for one of the user's last.
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
# What the mix may be answered, and still be no fault of the fleet: a job to cancel has ended.
ACCEPTED = 202
EXPECTED_STATUSES = {"POST /jobs/{id}/cancel": {409}}


class VirtualUser:
    """Asks for what the mix says, of jobs that are this user's."""

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

    def on_response(self, ask: LoadRequest, answer: LoadResponse) -> None:
        if ask.route == "POST /jobs" and answer.status == ACCEPTED:
            self._jobs.append(json.loads(answer.body)["id"])


class GatewayProbe:
    """The gateway's own figures, read where its monitoring reads them."""

    def __init__(self, fleet: IsolatedFleet) -> None:
        process = fleet.part("gateway").process
        if process is None:
            raise LookupError("the gateway does not run")
        self.pid = process.pid
        first = psutil.Process(self.pid)
        family = (first, *first.children(recursive=True))
        self._ports = {
            one.laddr.port
            for member in family
            for one in member.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN
        }

    async def auth_totals(self) -> tuple[float, float]:
        """Answer the seconds spent on checking tokens, and the number of checks."""
        text = await self._metrics()
        return _total(text, "sum"), _total(text, "count")

    async def _metrics(self) -> str:
        async with httpx.AsyncClient(timeout=5) as client:
            for port in self._ports:
                answer = await client.get(f"http://127.0.0.1:{port}/metrics")
                if answer.is_success:
                    return answer.text
        raise LookupError("the gateway shows no metrics")


def _total(metrics: str, what: str) -> float:
    name = f"msaas_jwt_validation_duration_seconds_{what}"
    return sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(name))


def cpu_by_part(fleet: IsolatedFleet) -> dict[str, float]:
    parts = {name: fleet.part(name).process for name in PARTS}
    return {name: cpu_seconds(process.pid) for name, process in parts.items() if process}


@asynccontextmanager
async def open_listeners(
    fleet: IsolatedFleet, users: Sequence[ApiClient], each: int
) -> AsyncGenerator[list[Reader]]:
    """Watch each of them live, so many times."""
    host, port = address_of(fleet)
    readers = [
        await open_reader(host, port, build_stream_request(host, user.authorization), ignore)
        for user in users
        for _ in range(each)
    ]
    try:
        yield readers
    finally:
        await close_all(readers)


def ignore(_job_id: str, _now: float) -> None:
    """Only count."""


def address_of(fleet: IsolatedFleet) -> tuple[str, int]:
    address = urlsplit(fleet.running.gateway_url)
    return str(address.hostname), address.port or 80


def build_workers(fleet: IsolatedFleet, users: Sequence[ApiClient]) -> list[LoadWorker]:
    host, port = address_of(fleet)
    people = [VirtualUser(random.Random(number)) for number in range(len(users))]  # noqa: S311  # the same mix in each run
    callers: list[LoadWorker] = []
    for number in range(CONNECTIONS):
        user, person = users[number % len(users)], people[number % len(users)]
        caller = LoadWorker(HttpConnection(host, port, user.authorization), person.next_request)
        caller.on_response = person.on_response
        callers.append(caller)
    return callers


async def measure(fleet: IsolatedFleet, options: Any) -> list[str]:
    async with AsyncExitStack() as stack:
        users = [
            await stack.enter_async_context(sign_in_new_user(fleet, "ENTERPRISE"))
            for _ in range(options.users)
        ]
        gateway, callers = GatewayProbe(fleet), build_workers(fleet, users)
        watching = await stack.enter_async_context(
            open_listeners(fleet, users, options.listeners // options.users)
        )
        await run_load(callers, options.per_minute, min(WARM_UP, options.seconds))
        auth_before, cpu_before = await gateway.auth_totals(), cpu_by_part(fleet)
        seen = await run_load(callers, options.per_minute, options.seconds)
        auth_after, cpu_after = await gateway.auth_totals(), cpu_by_part(fleet)
        post = LoadRequest("", "POST", "/jobs", BODY)
        ours, bare = await compare_with_bare(
            callers[0].connection, gateway.pid, post, options.posts
        )
        for caller in callers:
            caller.connection.close()
    checks = auth_after[1] - auth_before[1]
    auth_ms = 1000 * (auth_after[0] - auth_before[0]) / checks if checks else 0.0
    cpu = {name: cpu_after[name] - spent for name, spent in cpu_before.items()}
    shown = sum(one.shown for one in watching)
    print(f"{seen.requests:,} requests; {len(watching)} listeners were shown {shown:,} changes")
    print(f"aims: p99 < {AIM_MS:.0f} ms, auth < {AUTH_AIM_MS} ms, POST ≤ {AIM_TIMES_BARE} x bare")
    table = Table()
    show_routes(seen, table)
    show_rest(seen, table, auth_ms)
    show_cpu(seen, table, cpu, options.seconds)
    times = f"{ours / bare:.1f} x bare"
    table.row("POST /jobs, gateway alone", f"{ours * 1e6:.0f} µs", times)
    return table.missed


def show_routes(seen: LoadStats, table: Table) -> None:
    table.row("route", "requests", "p50", "p95", "p99", "errors")
    for route, seconds in sorted(seen.seconds.items()):
        errors = seen.errors(route, 400) - sum(
            seen.statuses[route].get(status, 0) for status in EXPECTED_STATUSES.get(route, ())
        )
        show_p99(table, route, seconds, f"{errors / len(seconds):.2%}")
        if errors:
            table.missed.append(f"errors of {route}: {seen.statuses[route]}")
    show_p99(table, "every route together", [one for all_ in seen.seconds.values() for one in all_])


def show_p99(table: Table, name: str, seconds: Sequence[float], errors: str = "") -> None:
    p50, p95, p99 = percentiles(seconds)
    cells = (f"{len(seconds):,}", *(f"{one:.1f} ms" for one in (p50, p95, p99)), errors)
    goal = f"< {PROMISED_MS:.0f} ms"
    table.goal(name, *cells, goal=goal, met=p99 < PROMISED_MS)


def percentiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Return p50, p95 and p99 in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100) if len(seconds) > 1 else [*seconds] * 99
    return cuts[49] * 1e3, cuts[94] * 1e3, cuts[98] * 1e3


def show_rest(seen: LoadStats, table: Table, auth_ms: float) -> None:
    failed = sum(seen.errors(route, 500) for route in seen.statuses)
    goal = f"< {AUTH_MS:.0f} ms"
    table.goal("auth, each request", f"{auth_ms:.3f} ms", goal=goal, met=auth_ms < AUTH_MS)
    table.goal("answers of 5XX", str(failed), goal="none", met=failed == 0)
    table.goal(
        "broken connections",
        str(seen.broken_connections),
        goal="none",
        met=seen.broken_connections == 0,
    )


def show_cpu(seen: LoadStats, table: Table, cpu: dict[str, float], seconds: float) -> None:
    table.row("CPU", "a request", "of a core")
    for name, spent in cpu.items():
        table.row(name, f"{spent / seen.requests * 1e6:.0f} µs", f"{spent / seconds:.1%}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="msaas bench edge", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--per-minute", type=int, default=10_000)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--listeners", type=int, default=100, help="who watch their jobs live")
    parser.add_argument("--posts", type=int, default=200, help="in a block beside bare FastAPI")
    return measure_fleet(measure, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
