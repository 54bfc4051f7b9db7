"""What a client needs to keep a user's jobs in memory: snapshot, rows, order and search."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from services.gateway.tests.conftest import ApiUser, FakeJobsService, RunningGateway, SignIn

from msaas.contracts import JobChanged, JobFrame, JobStatus, Progress
from msaas.gateway.domain.targets import HOST_PATTERN, PATH_PATTERN, find_target
from msaas.testing import GENEROUS_TIMEOUT, wait_until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URLS = (
    "https://Example.com/a/b?secret=1#x",
    "http://user:pass@word@example.com:8080",
    "https://[::1]:80/x",
    "https://example.com?q",
    r"https://example.com\@evil.example/x",
    "ftp://example.com/x",
    "https:///x",
    "no address",
    f"https://example.com/{'p' * 300}",
)


class RowReader:
    """Follows a stream of rows as the dashboard does."""

    def __init__(self, rows: dict[str, Any], cursor: str) -> None:
        self.rows, self.cursor = rows, cursor
        self.unread: set[str] = set()

    async def follow(self, user: ApiUser, *, until: asyncio.Event, done: set[str]) -> None:
        """Leave and come back at random until every id of `done` has its last row."""
        rng = random.Random(5)  # noqa: S311  # when to leave, the same in each run
        async with asyncio.timeout(GENEROUS_TIMEOUT):
            while not (until.is_set() and self.has(done)):
                async with self.open(user) as lines:
                    left = rng.randint(1, 25)
                    fields: dict[str, str] = {}
                    async for line in lines:
                        name, _, value = line.partition(": ")
                        fields[name] = value
                        if not line:
                            self.apply(fields)
                            fields, left = {}, left - 1
                        if left <= 0 or (until.is_set() and self.has(done)):
                            break

    def has(self, done: set[str]) -> bool:
        return all(self.rows.get(job, {}).get("status") == "COMPLETED" for job in done)

    @asynccontextmanager
    async def open(self, user: ApiUser) -> AsyncGenerator[Any]:
        headers = user.headers | {"last-event-id": self.cursor, "x-stream-rows": "1"}
        async with user.http.stream("GET", "/api/v1/jobs/stream", headers=headers) as answer:
            yield answer.aiter_lines()

    def apply(self, fields: dict[str, str]) -> None:
        self.cursor = fields.get("id", self.cursor)
        assert fields.get("event") != "resync"
        if fields.get("event") == "row":
            row = json.loads(fields["data"])
            if row["version"] >= self.rows.get(row["id"], row)["version"]:
                self.rows[row["id"]] = row


async def change(
    rows: asyncpg.Connection, fake_jobs: FakeJobsService, user: ApiUser, job_id: UUID, status: str
) -> None:
    """Commit a change of a job, then publish it, as the jobs service does."""
    ended = status == "COMPLETED"
    row = await rows.fetchrow(
        "UPDATE jobs.jobs SET status = $2, finished_at = CASE WHEN $3 THEN now() END, "
        "progress = $4 WHERE id = $1 RETURNING version, updated_at",
        *(job_id, status, ended, json.dumps({"percent": 100 if ended else 10, "message": None})),
    )
    assert row
    frame = JobFrame(id=job_id, status=JobStatus(status), attempts=1, updated_at=row["updated_at"])
    event = JobChanged(
        frame=frame,
        user_id=user.id,
        task_type="echo",
        version=row["version"],
        correlation_id="c",
        progress=None if ended else Progress(percent=10),
    )
    await fake_jobs.publish(event)


async def test_no_change_falls_between_the_snapshot_and_the_stream(
    fake_jobs: FakeJobsService, sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user = await sign_in()
    jobs = [await fake_jobs.insert_job(user.id) for _ in range(60)]
    finished = asyncio.Event()

    async def write() -> None:
        for status in ("RUNNING", "COMPLETED"):
            for job_id in jobs:
                await change(rows, fake_jobs, user, job_id, status)
                await asyncio.sleep(0)
        finished.set()

    writing = asyncio.create_task(write())
    await asyncio.sleep(0)
    snapshot = (await user.request("GET", "/jobs/snapshot")).json()
    reader = RowReader({row["id"]: row for row in snapshot["items"]}, snapshot["stream_cursor"])
    await reader.follow(user, until=finished, done=set(map(str, jobs)))
    await writing
    listed = (await user.request("GET", "/jobs", params={"limit": 100})).json()["items"]
    assert reader.rows == {row["id"]: row for row in listed}


async def test_a_snapshot_has_everything_and_is_read_again_only_after_a_change(
    fake_jobs: FakeJobsService,
    sign_in: SignIn,
    rows: asyncpg.Connection,
    gateway: RunningGateway,
) -> None:
    user, other = await sign_in(), await sign_in()
    key = (await create_key(user, "Nightly run"))["id"]
    await fake_jobs.insert_job(other.id)
    job_id = await fake_jobs.insert_job(
        user.id,
        task_type="navigate_and_extract_text",
        api_key_id=UUID(key),
        params={"url": URLS[0]},
    )
    plain = await fake_jobs.insert_job(user.id, created_at=NOW)
    first = await user.request("GET", "/jobs/snapshot", headers={"accept-encoding": "gzip"})
    assert first.headers["content-encoding"] == "gzip"
    body = first.json()
    assert [row["id"] for row in body["items"]] == [str(job_id), str(plain)]
    assert body["counts"]["total"] == body["counts"]["by_status"]["PENDING"] == 2
    assert first.headers["x-stream-cursor"] == body["stream_cursor"]
    row, listed = body["items"][0], (await user.request("GET", "/jobs")).json()["items"][0]
    assert row == listed
    assert row["target"] == {"host": "example.com", "path": "/a/b"}
    assert (row["cost"], row["api_key"]) == (1, {"id": key, "name": "Nightly run"})
    assert row["timeout_seconds"] > 0
    assert body["items"][1]["target"] is None

    limited = (await user.request("GET", "/jobs/snapshot", params={"limit": 1})).json()
    rest = await user.request("GET", "/jobs", params={"cursor": limited["next_cursor"]})
    assert [row["id"] for row in rest.json()["items"]] == [str(plain)]

    known = {"if-none-match": first.headers["etag"]}
    again = await user.request("GET", "/jobs/snapshot", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-stream-cursor"] == body["stream_cursor"]
    before = gateway.gateway.event_hub.cursor
    await change(rows, fake_jobs, user, job_id, "RUNNING")
    await wait_until(lambda: gateway.gateway.event_hub.cursor != before)
    changed = await user.request("GET", "/jobs/snapshot", headers=known)
    assert changed.status_code == 200
    assert changed.json()["items"][0]["progress"]["percent"] == 10


async def create_key(user: ApiUser, name: str) -> dict[str, Any]:
    body = {"name": name, "scopes": ["jobs:write"]}
    headers = {"idempotency-key": uuid4().hex}
    answer = await user.request("POST", "/api-keys", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_job_knows_the_key_that_submitted_it(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    key = await create_key(user, "Nightly run")
    session = user.headers
    user.headers = {"authorization": f"Bearer {key['key']}"}
    assert (await user.submit()).status_code == 202
    user.headers = session
    assert (await user.submit()).status_code == 202
    assert [command.api_key_id for command in fake_jobs.commands] == [UUID(key["id"]), None]


async def test_searches_find_keys_hosts_and_paths(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    key = UUID((await create_key(user, "Nightly run"))["id"])
    by_key = await fake_jobs.insert_job(user.id, api_key_id=key, params={"url": URLS[0]})
    plain = await fake_jobs.insert_job(user.id, params={"url": URLS[2]})
    for search, found in (
        ("key:nightly*", {by_key}),
        ('key:"Nightly run"', {by_key}),
        ("-key:nightly*", {plain}),
        ("host:*.com", {by_key}),
        ("host:[::1]", {plain}),
        ("path:/a/*", {by_key}),
        ("-path:/a/b", {plain}),
    ):
        answer = await user.request("GET", "/jobs", params={"q": search})
        assert {UUID(row["id"]) for row in answer.json()["items"]} == found, search


async def test_postgres_and_the_gateway_read_addresses_alike(rows: asyncpg.Connection) -> None:
    query = f"""
    SELECT lower(substring(u from '{HOST_PATTERN}')) AS host,
      substring(u from '{PATH_PATTERN}') AS path
    FROM unnest($1::text[]) WITH ORDINALITY AS given (u, n) ORDER BY n
    """  # constant patterns
    found = await rows.fetch(query, list(URLS))
    for url, row in zip(URLS, found, strict=True):
        target = find_target(url)
        assert row["host"] == (target and target.host), url
        if target:
            assert (row["path"] or "/")[:200] == target.path, url
    assert "pass" not in str([find_target(url) for url in URLS])


async def test_every_order_has_each_job_once_in_pages(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    rng = random.Random(3)  # noqa: S311  # the same jobs in each run
    for number in range(14):
        started = NOW + timedelta(seconds=rng.randint(0, 5))
        times: dict[str, Any] = {"created_at": NOW + timedelta(seconds=number // 3)}
        if number % 3:
            times |= {"status": "RUNNING", "started_at": started}
        if number % 3 == 2:
            end = started + timedelta(seconds=rng.randint(0, 4))
            times |= {"status": "COMPLETED", "finished_at": end}
        await fake_jobs.insert_job(user.id, **times)
    orders: dict[str, Callable[[dict[str, Any]], Any]] = {
        "created": lambda row: row["created_at"],
        "finished": lambda row: row["finished_at"] or "9",
        "took": get_took,
    }
    for key, get in orders.items():
        ascending = [get(row) for row in await read_pages(user, key)]
        descending = [get(row) for row in await read_pages(user, f"-{key}")]
        assert ascending == sorted(ascending) == descending[::-1]
        assert len(ascending) == 14


def get_took(row: dict[str, Any]) -> float:
    if row["started_at"] is None:
        return 0
    if row["finished_at"] is None:
        return 1e9 - datetime.fromisoformat(row["started_at"]).timestamp() / 1e9
    times = [datetime.fromisoformat(row[name]) for name in ("started_at", "finished_at")]
    return (times[1] - times[0]).total_seconds()


async def read_pages(user: ApiUser, order: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"sort": order, "limit": 4}
    while True:
        page = (await user.request("GET", "/jobs", params=query)).json()
        found += page["items"]
        if page["next_cursor"] is None:
            assert len({row["id"] for row in found}) == len(found)
            return found
        query["cursor"] = page["next_cursor"]
