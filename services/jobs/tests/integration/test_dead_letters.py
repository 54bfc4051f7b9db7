"""Dead letters of messages: kept once, replayed within limits, held, quarantined, resolved."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from msaas.contracts import (
    JobHeartbeat,
    JobLost,
    LetterClass,
    LetterState,
    ListDeadLetters,
    LossReason,
    Message,
    ReplayDeadLetters,
    ResolveDeadLetters,
    SubmitJob,
    dead_letter,
    encode,
    get_topic,
)
from msaas.jobs.adapters.graves import WireGraves
from msaas.jobs.adapters.postgres.intake import PostgresIntake
from msaas.jobs.adapters.postgres.letters import PostgresLetters
from msaas.jobs.application.keep_letters import KeepLetters
from msaas.jobs.application.replay_letters import ReplayLetters
from msaas.jobs.application.resolve_letters import ResolveLetters
from msaas.jobs.application.settle_commands import SettleCommands
from msaas.jobs.application.watch_replays import CountLetters, WatchReplays
from msaas.jobs.bootstrap import PRODUCES
from msaas.kernel import new_id
from msaas.messaging import Messenger, Outgoing, RedisWire
from msaas.postgres import Database
from msaas.streams import Write
from msaas.telemetry import Metrics
from msaas.testing import Crash, FakeClock, raises_crash

OPERATOR = uuid4()
LETTERS = "SELECT * FROM jobs.message_dead_letters ORDER BY created_at, id"


@dataclass
class Desk:
    """One replica's way with dead letters, without its loops."""

    store: PostgresLetters
    graves: WireGraves
    messenger: Messenger
    metrics: Metrics
    clock: FakeClock
    settle: Any
    draw: float = 0.0
    buried: int = 0
    paused: frozenset[str] = frozenset()

    async def bury(
        self,
        message: Message | None = None,
        *,
        topic: str = "jobs.results",
        message_id: UUID | None = None,
        error: str = "KeyError",
        kind: Any = "transient",
        **headers: Any,
    ) -> str:
        """Give an entry up as a consumer does; answer the id that it had."""
        declared = get_topic(topic)
        fields = {b"data": b"\xff no message \x00"}
        if message is not None:
            fields = encode(
                message,
                id=message_id or new_id(),
                correlation_id="test",
                ts=datetime.now(UTC),
                **headers,
            )
        self.buried += 1
        entry_id = f"{time.time_ns()}-{self.buried}"
        letter = dead_letter(
            declared,
            fields,
            entry_id=entry_id,
            error=error,
            kind=kind,
            deliveries=5,
            at=datetime.now(UTC),
        )
        [consumer] = declared.consumers
        name = declared.poison_key if kind == "poison" else declared.dead_letter_key
        key = name(self.messenger.station.environment, consumer)
        await self.messenger.station.wire.commit([Write(key, letter)])
        return entry_id

    async def keep(self, graves: Any = None, store: Any = None) -> None:
        await KeepLetters(
            store or self.store,
            graves or self.graves,
            self.messenger.publisher,
            self.metrics,
            draw=lambda: self.draw,
        )()

    async def watch(self) -> None:
        await WatchReplays(self.store, self, self.messenger.publisher, self.clock)()

    async def find_paused(self) -> frozenset[str]:
        return self.paused

    async def replay(
        self, *letters: UUID, by: UUID | None = OPERATOR, replay_id: UUID | None = None
    ) -> tuple[list[dict[str, Any]], list[Outgoing]]:
        use_case = ReplayLetters(self.store, self, self.graves, self.settle, self.metrics)
        command = ReplayDeadLetters(replay_id=replay_id or new_id(), letters=letters, asked_by=by)
        return await use_case(command)

    async def left(self) -> int:
        found = [await self.graves.peek(grave) for grave in self.graves.list_graves()]
        return sum(map(len, found))


OpenDesk = Callable[..., Awaitable[Desk]]


@pytest_asyncio.fixture
async def open_desk(
    open_database: Any,
    open_wire: Callable[..., RedisWire],
    environment: str,
    workers: Any,
) -> OpenDesk:
    async def open_() -> Desk:
        database: Database = await open_database()
        metrics = Metrics("jobs", "test")
        messenger = Messenger(open_wire(), "jobs", environment, metrics=metrics, produces=PRODUCES)
        settle = SettleCommands(PostgresIntake(database), workers, metrics, on_room=lambda: None)
        return Desk(
            store=PostgresLetters(database),
            graves=WireGraves(messenger, "jobs"),
            messenger=messenger,
            metrics=metrics,
            clock=FakeClock(),
            settle=settle,
        )

    return open_


@pytest_asyncio.fixture
async def desk(open_desk: OpenDesk) -> Desk:
    return await open_desk()


def beat() -> JobHeartbeat:
    return JobHeartbeat(job_id=uuid4(), fence=uuid4())


async def keep_one(desk: Desk, rows: asyncpg.Connection, **how: Any) -> UUID:
    await desk.bury(how.pop("message", None) or beat(), **how)
    await desk.keep()
    return await rows.fetchval(
        "SELECT id FROM jobs.message_dead_letters ORDER BY created_at DESC LIMIT 1"
    )


async def test_a_dead_letter_is_kept_with_what_it_tells_and_leaves_the_wire(
    desk: Desk, rows: asyncpg.Connection
) -> None:
    message_id = new_id()
    entry_id = await desk.bury(beat(), message_id=message_id)
    await desk.keep()
    [row] = await rows.fetch(LETTERS)
    assert (row["topic"], row["entry_id"], row["class"], row["error"]) == (
        *("jobs.results", entry_id),
        *("transient", "KeyError"),
    )
    assert (row["message_id"], row["message_type"], row["correlation_id"]) == (
        *(message_id, "JobHeartbeat"),
        "test",
    )
    assert await desk.left() == 0


async def test_each_class_is_kept_from_each_grave(desk: Desk, rows: asyncpg.Connection) -> None:
    await desk.bury(beat())
    await desk.bury(beat(), error="TimeoutError")
    await desk.bury(kind="poison")
    await desk.bury(kind="poison", topic="jobs.browser")
    await desk.keep()
    found = await rows.fetch("SELECT topic, class FROM jobs.message_dead_letters ORDER BY 1, 2")
    assert [tuple(row) for row in found] == [
        ("jobs.browser", "poison"),
        ("jobs.results", "downstream"),
        ("jobs.results", "poison"),
        ("jobs.results", "transient"),
    ]


@pytest.mark.parametrize("method", ["keep", "remove"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_whoever_ends_half_way_leaves_one_letter(
    desk: Desk, rows: asyncpg.Connection, method: str, when: Any
) -> None:
    for _ in range(3):
        await desk.bury(beat())
    dying: Any = {
        "store" if method == "keep" else "graves": raises_crash(
            desk.store if method == "keep" else desk.graves, method, when
        )
    }
    with pytest.raises(Crash):
        await desk.keep(**dying)
    await desk.keep()
    assert await rows.fetchval("SELECT count(*) FROM jobs.message_dead_letters") == 3
    assert await rows.fetchval("SELECT count(*) FROM jobs.dead_letter_replays") == 3
    assert await desk.left() == 0


async def test_two_replicas_at_once_keep_each_letter_once(
    open_desk: OpenDesk, rows: asyncpg.Connection
) -> None:
    first, second = await open_desk(), await open_desk()
    for _ in range(40):
        await first.bury(beat())
    await asyncio.gather(first.keep(), second.keep())
    assert await rows.fetchval("SELECT count(*) FROM jobs.message_dead_letters") == 40


async def test_a_transient_letter_is_replayed_by_the_timer_under_its_own_id(
    desk: Desk, rows: asyncpg.Connection, read_topic: Any
) -> None:
    message_id, message = new_id(), beat()
    letter = await keep_one(desk, rows, message=message, message_id=message_id)
    await desk.watch()
    [said] = await read_topic("jobs.commands")
    assert (said.letters, said.asked_by) == ((letter,), None)
    items, [sent] = await desk.replay(*said.letters, by=None, replay_id=said.replay_id)
    assert items == [{"id": letter, "ok": True, "outcome": "replayed"}]
    assert (sent.message, sent.id, sent.topic) == (message, message_id, "jobs.results")
    [row] = await rows.fetch(LETTERS)
    assert (row["replay_count"], row["resolved_at"] is None, row["reason"]) == (1, False, None)


async def test_it_waits_its_time_first(
    desk: Desk, rows: asyncpg.Connection, read_topic: Any
) -> None:
    desk.draw = 1.0
    await keep_one(desk, rows)
    await desk.watch()
    assert await read_topic("jobs.commands") == []
    wait = await rows.fetchval("SELECT due_at - created_at FROM jobs.dead_letter_replays")
    assert wait == timedelta(seconds=30)


async def test_a_command_that_comes_again_sends_again_and_counts_once(
    desk: Desk, rows: asyncpg.Connection
) -> None:
    letter, replay_id = await keep_one(desk, rows), new_id()
    first = await desk.replay(letter, replay_id=replay_id)
    assert await desk.replay(letter, replay_id=replay_id) == first
    assert await rows.fetchval("SELECT replay_count FROM jobs.message_dead_letters") == 1


async def test_a_message_is_replayed_three_times_and_then_stays(
    desk: Desk, rows: asyncpg.Connection, read_topic: Any
) -> None:
    message_id, message = new_id(), beat()
    for _ in range(3):
        letter = await keep_one(desk, rows, message=message, message_id=message_id)
        [item], outgoing = await desk.replay(letter, by=None)
        assert (item["outcome"], len(outgoing)) == ("replayed", 1)
    letter = await keep_one(desk, rows, message=message, message_id=message_id)
    await desk.watch()
    assert await read_topic("jobs.commands") == []
    [item], outgoing = await desk.replay(letter)
    assert (item["ok"], item["problem"]["code"], outgoing) == (False, "conflict", [])
    counts = [row["replay_count"] for row in await rows.fetch(LETTERS)]
    assert counts == [1, 2, 3, 3]


async def test_two_replicas_replay_no_more_than_fifty_a_minute_together(
    open_desk: OpenDesk, rows: asyncpg.Connection
) -> None:
    first, second = await open_desk(), await open_desk()
    for _ in range(120):
        await first.bury(beat())
    await first.keep()
    letters = [row["id"] for row in await rows.fetch(LETTERS)]
    answers = await asyncio.gather(
        *(
            desk.replay(*letters[n : n + 20])
            for n, desk in zip(range(0, 120, 20), [first, second] * 3, strict=True)
        )
    )
    assert sum(len(outgoing) for _, outgoing in answers) == 50
    waiting = [one for items, _ in answers for one in items if one["outcome"] == "waiting"]
    assert {one["because"] for one in waiting} == {"rate"}
    assert len(waiting) == 70
    assert await first.store.list_due([]) == []
    await rows.execute(
        "UPDATE jobs.dead_letter_replays SET replayed_at = replayed_at - interval '61 s'"
    )
    due = await second.store.list_due([])
    assert len(due) == 50
    _, outgoing = await second.replay(*due, by=None)
    assert len(outgoing) == 50


async def test_while_its_target_is_held_a_letter_waits_and_nothing_is_lost(
    desk: Desk, rows: asyncpg.Connection, read_topic: Any
) -> None:
    letter = await keep_one(desk, rows, error="CircuitOpen")
    desk.paused = frozenset({"jobs.results"})
    await desk.watch()
    assert await read_topic("jobs.commands") == []
    [item], outgoing = await desk.replay(letter)
    assert (item["outcome"], item["because"], outgoing) == ("waiting", "paused", [])
    desk.paused = frozenset()
    await desk.watch()
    [said] = await read_topic("jobs.commands")
    _, outgoing = await desk.replay(*said.letters, by=None)
    assert len(outgoing) == 1
    asker = "SELECT asked_by FROM jobs.dead_letter_replays WHERE replayed_at IS NOT NULL"
    assert await rows.fetchval(asker) == OPERATOR


async def test_poison_stays_until_an_operator_asks_and_then_only_if_it_can_be_read(
    desk: Desk, rows: asyncpg.Connection, read_topic: Any
) -> None:
    await desk.bury(kind="poison")
    await desk.keep()
    unreadable = await rows.fetchval("SELECT id FROM jobs.message_dead_letters")
    readable = await keep_one(desk, rows, kind="poison")
    await desk.watch()
    assert await read_topic("jobs.commands") == []
    assert await desk.replay(unreadable, readable, by=None) == ([], [])
    items, [sent] = await desk.replay(unreadable, readable)
    assert [one["ok"] for one in items] == [False, True]
    assert isinstance(sent.message, JobHeartbeat)


async def test_a_command_whose_sender_was_told_that_nothing_happens_waits_for_an_operator(
    desk: Desk, rows: asyncpg.Connection, submit_job: Callable[..., SubmitJob]
) -> None:
    command, message_id = submit_job(uuid4()), new_id()
    letter = await keep_one(
        desk,
        rows,
        message=command,
        message_id=message_id,
        topic="jobs.commands",
        ttl_ms=5_000,
        reply_to="msaas:x:reply:gateway-1",
    )
    assert await rows.fetchval("SELECT count(*) FROM jobs.dead_letter_replays") == 0
    _, [sent] = await desk.replay(letter)
    assert (sent.message, sent.id, sent.reply_to, sent.ttl_ms) == (command, message_id, None, None)


async def test_an_envelope_is_replayed_by_putting_its_job_back(
    desk: Desk, rows: asyncpg.Connection, given: Any, results: Any
) -> None:
    run = await given.run()
    body = b'{"job_id": "%s", "fence": "%s"}' % (str(run.job).encode(), str(run.fence).encode())
    topic = get_topic("jobs.generic")
    letter = dead_letter(
        topic,
        {b"id": str(new_id()).encode(), b"type": b"JobEnvelope", b"data": body},
        entry_id="1-1",
        error="delivered too often",
        kind="transient",
        deliveries=6,
        at=datetime.now(UTC),
    )
    key = topic.dead_letter_key(desk.messenger.station.environment, "jobs-worker")
    await desk.messenger.station.wire.commit([Write(key, letter)])
    await desk.keep()
    [due] = await desk.store.list_due([])
    _, [sent] = await desk.replay(due, by=None)
    lost = run.lost(LossReason.RECLAIMED)
    assert (sent.message, sent.topic) == (lost, "jobs.results")
    await results.hear(lost)
    job = await given.job(run)
    assert (job["status"], job["fence"], job["losses"]) == ("PENDING", None, 1)


async def test_an_envelope_that_no_worker_can_read_counts_as_a_lost_run(
    desk: Desk, rows: asyncpg.Connection, given: Any, read_topic: Any
) -> None:
    run = await given.run()
    body = b'{"job_id": "%s", "fence": "%s"}' % (str(run.job).encode(), str(run.fence).encode())
    key = get_topic("jobs.browser").poison_key(desk.messenger.station.environment, "browser-worker")
    fields = {b"data": body, b"dlq_entry_id": b"5-0", b"dlq_kind": b"poison"}
    await desk.messenger.station.wire.commit([Write(key, fields)])
    await desk.keep()
    [said] = await read_topic("jobs.results")
    assert isinstance(said, JobLost)
    assert said == run.lost(LossReason.RECLAIMED)
    assert await rows.fetchval("SELECT resolved_at FROM jobs.message_dead_letters") is None


async def test_a_letter_is_resolved_once_with_the_first_reason(
    desk: Desk, rows: asyncpg.Connection, read_metric: Any
) -> None:
    letter, stranger = await keep_one(desk, rows), uuid4()
    resolve = ResolveLetters(desk.store, desk.metrics)
    for reason in ("Seen to.", "Seen to again."):
        command = ResolveDeadLetters(letters=(letter, stranger), reason=reason, asked_by=OPERATOR)
        items = await resolve(command)
        assert [one["ok"] for one in items] == [True, False]
    [row] = await rows.fetch(LETTERS)
    assert (row["reason"], row["resolved_by"]) == ("Seen to.", OPERATOR)
    assert await desk.store.list_due([]) == []
    [item], outgoing = await desk.replay(letter)
    assert (item["problem"]["code"], outgoing) == ("conflict", [])
    assert read_metric(desk.metrics, "msaas_dead_letters_resolved_total") == 1


async def test_what_is_kept_open_and_replayed_is_counted(
    desk: Desk, rows: asyncpg.Connection, read_metric: Any
) -> None:
    count = CountLetters(desk.store, desk.metrics)
    letter = await keep_one(desk, rows)
    await count()
    assert read_metric(desk.metrics, "msaas_dead_letters_kept_total") == 1
    assert read_metric(desk.metrics, "msaas_dead_letters_open") == 1
    await desk.replay(letter)
    await count()
    assert read_metric(desk.metrics, "msaas_dead_letters_open") == 0
    assert read_metric(desk.metrics, "msaas_dead_letters_replayed_total") == 1


@pytest.fixture
def read_metric() -> Callable[[Metrics, str], float | None]:
    """Read what a metric says of transient letters of the results."""

    def read(metrics: Metrics, name: str) -> float | None:
        labels = {"topic": "jobs.results", "class": "transient"}
        stamp = {"service": "jobs", "environment": "test"}
        return metrics.registry.get_sample_value(name, labels | stamp)

    return read


async def list_ids(desk: Desk, **wanted: Any) -> Sequence[UUID]:
    return [row["id"] for row in await desk.store.list_letters(ListDeadLetters(**wanted))]


async def test_letters_are_listed_newest_first_by_pages_and_by_what_they_are(
    desk: Desk, rows: asyncpg.Connection
) -> None:
    kept = [await keep_one(desk, rows, error=error) for error in ("KeyError", "TimeoutError")]
    poison = await keep_one(desk, rows, kind="poison")
    assert await list_ids(desk) == [poison, *reversed(kept)]
    assert await list_ids(desk, letter_class=LetterClass.DOWNSTREAM) == [kept[1]]
    assert await list_ids(desk, topic="jobs.commands") == []
    [first] = await desk.store.list_letters(ListDeadLetters(limit=1))
    following = await list_ids(desk, before_at=first["died_at"], before_id=first["id"])
    assert following == list(reversed(kept))
    await desk.replay(kept[0])
    assert await list_ids(desk, state=LetterState.REPLAYED) == [kept[0]]


async def test_a_topic_that_is_nearly_full_gets_no_replays(
    desk: Desk, rows: asyncpg.Connection, submit_job: Callable[..., SubmitJob]
) -> None:
    """The handler would wait for room that only it can make."""
    letter = await keep_one(desk, rows, message=submit_job(uuid4()), topic="jobs.commands")
    [key] = get_topic("jobs.commands").keys(desk.messenger.station.environment)
    wire = desk.messenger.station.wire
    filled = (await wire.commit([Write(key, {b"x": b"y"})] * 9_000)).entry_ids
    [item], outgoing = await desk.replay(letter)
    assert (item["outcome"], item["because"], outgoing) == ("waiting", "topic_full", [])
    await wire.delete(key, filled)
    [item], _ = await desk.replay(letter)
    assert item["outcome"] == "replayed"
