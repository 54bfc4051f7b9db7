"""The live stream over a real server: no event is lost or repeated, and every stream ends."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import httpx
import pytest
from services.gateway.tests.conftest import (
    ApiUser,
    FakeIssuer,
    FakeJobsService,
    RunningGateway,
    SignIn,
)

from msaas.testing import wait_until


class FrameReader:
    """Reads one stream as a browser does."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self) -> dict[str, str]:
        frame: dict[str, str] = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line and name:
                    frame[name] = value
                elif line:
                    return {"comment": value}
                elif "data" in frame:
                    return frame
        raise EOFError

    async def skip_heartbeats(self) -> dict[str, str]:
        while "comment" in (frame := await self.next()):
            continue
        return frame


@asynccontextmanager
async def stream(user: ApiUser, cursor: str | None = None) -> AsyncGenerator[FrameReader]:
    headers = user.headers | ({"last-event-id": cursor} if cursor else {})
    async with user.http.stream("GET", "/api/v1/jobs/stream", headers=headers) as answer:
        yield FrameReader(answer)


async def test_a_stream_begins_with_hello_and_continues_with_events(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    async with stream(user) as frames:
        headers = frames.answer.headers
        assert frames.answer.status_code == 200
        assert headers["content-type"].startswith("text/event-stream")
        assert "no-cache" in headers["cache-control"]
        assert headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in headers
        hello = await frames.next()
        assert (hello["event"], hello["id"] in hello["data"]) == ("hello", True)
        assert 1_000 <= int(hello["retry"]) <= 4_000
        job_id = uuid4()
        await fake_jobs.publish_change(uuid4(), job_id)
        await fake_jobs.publish_change(user.id, job_id)
        await fake_jobs.publish_change(user.id, job_id, percent=40)
        job, progress = await frames.next(), await frames.next()
        assert (job["event"], str(job_id) in job["data"]) == ("job", True)
        assert (progress["event"], '"percent":40' in progress["data"]) == ("progress", True)


async def test_a_reader_that_reconnects_sees_every_event_once(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    cursor = (await user.request("GET", "/jobs")).json()["stream_cursor"]
    jobs = [uuid4() for _ in range(150)]
    rng = random.Random(11)  # noqa: S311  # when to leave, the same in each run

    async def write() -> None:
        for job_id in jobs:
            await fake_jobs.publish_change(user.id, job_id)
            await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    seen: list[str] = []
    while len(seen) < len(jobs):
        async with stream(user, cursor) as frames:
            for _ in range(rng.randint(1, 30)):
                frame = await frames.next()
                cursor = frame["id"]
                if frame["event"] == "job":
                    seen.append(frame["data"])
                assert frame["event"] in {"hello", "job"}
                if len(seen) == len(jobs):
                    break
    await writing
    assert len(set(seen)) == len(jobs)


async def test_a_position_that_is_too_old_is_answered_with_a_resync(
    fake_jobs: FakeJobsService, sign_in: SignIn, gateway: RunningGateway
) -> None:
    user = await sign_in()
    before = gateway.gateway.event_hub.cursor
    await fake_jobs.publish_change(uuid4(), uuid4())
    await wait_until(lambda: gateway.gateway.event_hub.cursor != before)
    gateway.gateway.event_hub.reset()
    async with stream(user, "5-0") as frames:
        assert (await frames.next())["event"] == "hello"
        resync = await frames.next()
        assert resync["event"] == "resync"
        await fake_jobs.publish_change(user.id, uuid4())
        assert (await frames.next())["event"] == "job"


async def test_a_position_can_be_given_in_the_query_and_an_invalid_one_is_refused(
    sign_in: SignIn,
) -> None:
    user = await sign_in()
    answer = await user.request("GET", "/jobs/stream", params={"last_event_id": "nonsense"})
    assert answer.status_code == 422
    answer = await user.request("GET", "/jobs/stream", headers={"last-event-id": "-"})
    assert answer.status_code == 422


async def test_a_stream_ends_with_its_token(sign_in: SignIn, issuer: FakeIssuer) -> None:
    user = await sign_in(seconds=3)
    began = time.time()
    async with stream(user) as frames:
        await frames.next()
        with pytest.raises(EOFError):
            await frames.skip_heartbeats()
    assert time.time() - began < 10
    answer = await user.request("GET", "/jobs/stream")
    assert answer.json()["code"] == "token_expired"


async def test_streams_are_capped_and_freed(sign_in: SignIn, gateway: RunningGateway) -> None:
    user, other = await sign_in(), await sign_in()
    async with stream(user) as one, stream(user) as two, stream(user) as three:
        for frames in (one, two, three):
            await frames.next()
        answer = await user.request("GET", "/jobs/stream")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        async with stream(other) as four, stream(other) as five:
            await four.next()
            await five.next()
            other_user = await sign_in()
            answer = await other_user.request("GET", "/jobs/stream")
            assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    await wait_until(lambda: gateway.gateway.event_hub.open_count == 0)
    async with stream(user) as frames:
        assert (await frames.next())["event"] == "hello"


async def test_a_draining_process_closes_its_streams(
    sign_in: SignIn, gateway: RunningGateway
) -> None:
    user = await sign_in()
    async with stream(user) as frames:
        await frames.next()
        gateway.gateway.health.drain()
        with pytest.raises(EOFError):
            await frames.next()


async def test_without_a_token_there_is_no_stream(sign_in: SignIn) -> None:
    user = await sign_in()
    user.headers = {}
    assert (await user.request("GET", "/jobs/stream")).status_code == 401


async def test_a_gap_in_the_log_sends_every_reader_a_resync(
    sign_in: SignIn, gateway: RunningGateway
) -> None:
    user = await sign_in()
    async with stream(user) as frames:
        await frames.next()
        gateway.gateway.event_hub.reset()
        assert (await frames.next())["event"] == "resync"
        with pytest.raises(EOFError):
            await frames.next()


async def test_the_stream_of_a_closed_account_ends(
    sign_in: SignIn, gateway: RunningGateway, rows: asyncpg.Connection
) -> None:
    banned, stays = await sign_in(), await sign_in()
    async with stream(banned) as closed, stream(stays) as frames:
        await closed.skip_heartbeats()
        await frames.next()
        await rows.execute("UPDATE identity.users SET banned_at = now() WHERE id = $1", banned.id)
        tasks = {task.name: task for task in gateway.gateway.periodic_tasks}
        tasks["closed accounts"].wake()
        with pytest.raises(EOFError):
            await closed.skip_heartbeats()
        assert gateway.gateway.event_hub.connected_users == [stays.id]


async def test_a_process_that_drains_takes_no_new_reader(
    sign_in: SignIn, gateway: RunningGateway
) -> None:
    user = await sign_in()
    gateway.gateway.health.drain()
    answer = await user.request("GET", "/jobs/stream")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
