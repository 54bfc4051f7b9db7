"""Streams of rows: whatever fails, a client ends with the newest rows or knows what to read."""

import asyncio
import json
from collections.abc import Sequence
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from msaas.gateway.application.job_event_hub import JobEventHub
from msaas.gateway.application.job_row_streams import (
    EncodedRow,
    JobRowReader,
    RowStreamConnection,
)
from msaas.gateway.application.stream_connection import EndReason
from msaas.gateway.domain.replay_buffer import MAX_FRAMES, Frame, StreamPosition
from msaas.kernel import DependencyUnavailable
from msaas.testing import wait_until

JOBS = [uuid4() for _ in range(4)]
USER = uuid4()
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(0, 3)),
        st.tuples(st.just("progress"), st.integers(0, 3)),
        st.tuples(st.sampled_from(["yield", "fail", "lag", "work", "leave", "join"]), st.just(0)),
    ),
    max_size=40,
)


class Rows:
    """The rows of the database; reading them may fail, or come from a copy that is behind."""

    def __init__(self) -> None:
        self.versions: dict[UUID, int] = {}
        self.copy: dict[UUID, int] = {}
        self.mode = "work"
        self.failures: list[Exception] = []

    async def load(self, _user_id: UUID, job_ids: Sequence[UUID]) -> Sequence[EncodedRow]:
        await asyncio.sleep(0)
        if self.mode == "fail":
            raise DependencyUnavailable
        found = self.copy if self.mode == "lag" else self.versions
        return [encode(job, found[job]) for job in job_ids if job in found]


def encode(job: UUID, version: int) -> EncodedRow:
    return EncodedRow(job, version, json.dumps({"id": str(job), "version": version}).encode())


class Client:
    """Keeps rows by version; what is only announced is read later."""

    write_buffer_size = 0

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.unread: set[str] = set()
        self.cursor = ""
        self.text = b""

    def write(self, data: bytes) -> None:
        *frames, self.text = (self.text + data).split(b"\n\n")
        for frame in (frame for frame in frames if not frame.startswith(b"retry")):
            fields = dict(line.split(b": ", 1) for line in frame.split(b"\n"))
            self.cursor = fields[b"id"].decode()
            shown = json.loads(fields[b"data"])
            if fields[b"event"] == b"row":
                self.rows[shown["id"]] = max(shown["version"], self.rows.get(shown["id"], 0))
                self.unread.discard(shown["id"])
            elif fields[b"event"] in {b"job", b"progress"}:
                self.unread.add(shown["id"])

    def close(self) -> None: ...

    def abort(self) -> None: ...


class Session:
    def __init__(self) -> None:
        self.rows, self.client = Rows(), Client()
        reader = JobRowReader(self.rows.load, self.rows.failures.append, pause_seconds=0)
        self.hub = JobEventHub(per_user=5, per_process=5, row_reader=reader)
        self.hub.start_at("1000-0")
        self.client.cursor = self.hub.cursor
        self.connection: RowStreamConnection | None = None
        self.position = 1000

    def join(self) -> None:
        if self.connection is None:
            connection, _ = self.hub.open(USER, self.client.cursor, wants_rows=True)
            assert isinstance(connection, RowStreamConnection)
            connection.start(self.client, b"")
            self.connection = connection

    def leave(self) -> None:
        if self.connection is not None:
            self.hub.close(USER, self.connection)
            self.connection = None

    def change(self, job: UUID, event: str) -> None:
        self.rows.copy = dict(self.rows.versions)
        version = self.rows.versions[job] = self.rows.versions.get(job, 0) + 1
        self.position += 1
        data = b'id: %d-0\nevent: %b\ndata: {"id":"%b"}\n\n' % (
            self.position,
            event.encode(),
            str(job).encode(),
        )
        frame = Frame(StreamPosition(self.position, 0), data)
        self.hub.publish(USER, frame, job, version, is_progress=event == "progress")

    async def step(self, name: str, number: int) -> None:
        match name:
            case "change" | "progress":
                self.change(JOBS[number], "job" if name == "change" else "progress")
            case "yield":
                for _ in range(3):
                    await asyncio.sleep(0)
            case "leave":
                self.leave()
            case "join":
                self.join()
            case _:
                self.rows.mode = name


@given(STEPS)
def test_no_row_is_lost_or_stays_old(steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
        session = Session()
        session.join()
        for name, number in steps:
            await session.step(name, number)
        session.rows.mode = "work"
        session.join()
        last = str(StreamPosition(session.position, 0))
        await wait_until(lambda: session.client.cursor == last)
        client = session.client
        for job, version in session.rows.versions.items():
            assert client.rows.get(str(job)) == version or str(job) in client.unread
        session.leave()

    asyncio.run(run())


async def test_many_changes_of_a_job_are_one_row() -> None:
    session = Session()
    session.join()
    for _ in range(100):
        session.change(JOBS[0], "job")
    await wait_until(lambda: session.client.cursor == "1100-0")
    assert session.client.rows == {str(JOBS[0]): 100}
    session.leave()


async def test_a_client_that_reads_nothing_has_to_resync() -> None:
    session = Session()
    session.join()
    session.client.write_buffer_size = 1_000_000
    connection = session.connection
    assert connection
    for _ in range(MAX_FRAMES + 1):
        session.change(JOBS[0], "job")
        await asyncio.sleep(0)
    assert connection.end_reason is EndReason.LAGGED


async def test_a_reader_that_breaks_leaves_the_frames() -> None:
    session = Session()

    async def break_(_user_id: UUID, _job_ids: Sequence[UUID]) -> Sequence[EncodedRow]:
        raise ValueError("not a row")

    failures: list[Exception] = []
    reader = JobRowReader(break_, failures.append, pause_seconds=0)
    session.hub = JobEventHub(per_user=5, per_process=5, row_reader=reader)
    session.hub.start_at("1000-0")
    session.join()
    session.change(JOBS[1], "job")
    await wait_until(lambda: session.client.unread == {str(JOBS[1])})
    assert [type(failure) for failure in failures] == [ValueError]
    session.leave()
