"""Dead letters of messages: stored once, replayed within limits, paused, quarantined, resolved."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from services.jobs.tests.dead_letter_harness import OPERATOR, DeadLetterHarness
from services.jobs.tests.support import (
    BuildJob,
    FakeWorkerQueue,
    Given,
    OpenBroker,
    OpenDatabase,
    ReadTopic,
    ResultsHarness,
    with_crashing_commit,
)

from msaas.contracts import (
    JobHeartbeat,
    JobLost,
    LetterClass,
    LetterState,
    ListDeadLetters,
    LossReason,
    ResolveDeadLetters,
    build_dead_letter,
    get_topic,
)
from msaas.jobs.adapters.dead_letter_streams import BrokerDeadLetterStreams
from msaas.jobs.adapters.postgres.dead_letters import PostgresDeadLetters
from msaas.jobs.adapters.postgres.intake import PostgresIntake
from msaas.jobs.adapters.postgres.store import PostgresStore
from msaas.jobs.application.dead_letters_tasks import CountDeadLettersTask
from msaas.jobs.application.process_commands import ProcessCommands
from msaas.jobs.application.replay_dead_letters import DeadLetterResolver
from msaas.kernel import new_id
from msaas.messaging import Messenger
from msaas.postgres import Database
from msaas.streams import Write
from msaas.telemetry import Metrics
from msaas.testing import Crash, FakeClock, with_crash
from msaas.testing.crash_points import When

ReadMetric = Callable[[Metrics, str], float | None]

DEAD_LETTERS = "SELECT * FROM jobs.message_dead_letters ORDER BY created_at, id"


OpenHarness = Callable[..., Awaitable[DeadLetterHarness]]


@pytest_asyncio.fixture
async def open_harness(
    open_database: OpenDatabase,
    open_broker: OpenBroker,
    environment: str,
    workers: FakeWorkerQueue,
) -> OpenHarness:
    async def open_() -> DeadLetterHarness:
        database: Database = await open_database()
        metrics = Metrics("jobs", "test")
        messenger = Messenger(open_broker(), "jobs", environment, metrics=metrics)
        process_commands = ProcessCommands(
            PostgresStore(database, PostgresIntake), workers, metrics, request_dispatch=lambda: None
        )
        return DeadLetterHarness(
            store=PostgresDeadLetters(database),
            streams=BrokerDeadLetterStreams(messenger, "jobs"),
            messenger=messenger,
            metrics=metrics,
            clock=FakeClock(),
            process_commands=process_commands,
        )

    return open_


@pytest_asyncio.fixture
async def harness(open_harness: OpenHarness) -> DeadLetterHarness:
    return await open_harness()


def build_heartbeat() -> JobHeartbeat:
    return JobHeartbeat(job_id=uuid4(), fence=uuid4())


async def collect_one(harness: DeadLetterHarness, rows: asyncpg.Connection, **how: Any) -> UUID:
    await harness.add(how.pop("message", None) or build_heartbeat(), **how)
    await harness.collect()
    return await rows.fetchval(
        "SELECT id FROM jobs.message_dead_letters ORDER BY created_at DESC LIMIT 1"
    )


async def test_a_dead_letter_is_stored_with_its_details_and_removed_from_redis(
    harness: DeadLetterHarness, rows: asyncpg.Connection
) -> None:
    message_id = new_id()
    entry_id = await harness.add(build_heartbeat(), message_id=message_id)
    await harness.collect()
    [row] = await rows.fetch(DEAD_LETTERS)
    assert (row["topic"], row["entry_id"], row["class"], row["error"]) == (
        *("jobs.results", entry_id),
        *("transient", "KeyError"),
    )
    assert (row["message_id"], row["message_type"], row["correlation_id"]) == (
        *(message_id, "JobHeartbeat"),
        "test",
    )
    assert await harness.count_left() == 0


async def test_each_class_is_kept_from_each_dead_letter_stream(
    harness: DeadLetterHarness, rows: asyncpg.Connection
) -> None:
    await harness.add(build_heartbeat())
    await harness.add(build_heartbeat(), error="TimeoutError")
    await harness.add(kind="poison")
    await harness.add(kind="poison", topic="jobs.browser")
    await harness.collect()
    found = await rows.fetch("SELECT topic, class FROM jobs.message_dead_letters ORDER BY 1, 2")
    assert [tuple(row) for row in found] == [
        ("jobs.browser", "poison"),
        ("jobs.results", "downstream"),
        ("jobs.results", "poison"),
        ("jobs.results", "transient"),
    ]


@pytest.mark.parametrize("method", ["begin_collection", "remove"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_that_crashes_at_any_point_leaves_one_dead_letter(
    harness: DeadLetterHarness, rows: asyncpg.Connection, method: str, when: When
) -> None:
    for _ in range(3):
        await harness.add(build_heartbeat())
    store, streams = harness.store, harness.streams
    if method == "remove":
        streams = with_crash(streams, method, when)
    else:
        store = with_crashing_commit(store, when, method)
    with pytest.raises(Crash):
        await harness.collect(streams, store)
    await harness.collect()
    assert await rows.fetchval("SELECT count(*) FROM jobs.message_dead_letters") == 3
    assert await rows.fetchval("SELECT count(*) FROM jobs.dead_letter_replays") == 3
    assert await harness.count_left() == 0


async def test_two_replicas_at_once_keep_each_dead_letter_once(
    open_harness: OpenHarness, rows: asyncpg.Connection
) -> None:
    first, second = await open_harness(), await open_harness()
    for _ in range(40):
        await first.add(build_heartbeat())
    await asyncio.gather(first.collect(), second.collect())
    assert await rows.fetchval("SELECT count(*) FROM jobs.message_dead_letters") == 40


async def test_a_transient_dead_letter_is_replayed_by_the_timer_under_its_own_id(
    harness: DeadLetterHarness, rows: asyncpg.Connection, read_topic: ReadTopic
) -> None:
    message_id, message = new_id(), build_heartbeat()
    dead_letter_id = await collect_one(harness, rows, message=message, message_id=message_id)
    await harness.find_due()
    [request] = await read_topic("jobs.commands")
    assert (request.letters, request.asked_by) == ((dead_letter_id,), None)
    items, [sent] = await harness.replay(*request.letters, by=None, replay_id=request.replay_id)
    assert items == [{"id": dead_letter_id, "ok": True, "outcome": "replayed"}]
    assert (sent.message, sent.id, sent.topic) == (message, message_id, "jobs.results")
    [row] = await rows.fetch(DEAD_LETTERS)
    assert (row["replay_count"], row["resolved_at"] is None, row["reason"]) == (1, False, None)


async def test_it_waits_its_time_first(
    harness: DeadLetterHarness, rows: asyncpg.Connection, read_topic: ReadTopic
) -> None:
    harness.jitter = 1.0
    await collect_one(harness, rows)
    await harness.find_due()
    assert await read_topic("jobs.commands") == []
    wait = await rows.fetchval("SELECT due_at - created_at FROM jobs.dead_letter_replays")
    assert wait == timedelta(seconds=30)


async def test_a_repeated_command_publishes_again_and_counts_once(
    harness: DeadLetterHarness, rows: asyncpg.Connection
) -> None:
    dead_letter_id, replay_id = await collect_one(harness, rows), new_id()
    first = await harness.replay(dead_letter_id, replay_id=replay_id)
    assert await harness.replay(dead_letter_id, replay_id=replay_id) == first
    assert await rows.fetchval("SELECT replay_count FROM jobs.message_dead_letters") == 1


async def test_a_message_is_replayed_three_times_and_then_stays(
    harness: DeadLetterHarness, rows: asyncpg.Connection, read_topic: ReadTopic
) -> None:
    message_id, message = new_id(), build_heartbeat()
    for _ in range(3):
        dead_letter_id = await collect_one(harness, rows, message=message, message_id=message_id)
        [item], outgoing = await harness.replay(dead_letter_id, by=None)
        assert (item["outcome"], len(outgoing)) == ("replayed", 1)
    dead_letter_id = await collect_one(harness, rows, message=message, message_id=message_id)
    await harness.find_due()
    assert await read_topic("jobs.commands") == []
    [item], outgoing = await harness.replay(dead_letter_id)
    assert (item["ok"], item["problem"]["code"], outgoing) == (False, "conflict", [])
    counts = [row["replay_count"] for row in await rows.fetch(DEAD_LETTERS)]
    assert counts == [1, 2, 3, 3]


async def test_two_replicas_replay_no_more_than_fifty_a_minute_together(
    open_harness: OpenHarness, rows: asyncpg.Connection
) -> None:
    first, second = await open_harness(), await open_harness()
    for _ in range(120):
        await first.add(build_heartbeat())
    await first.collect()
    letters = [row["id"] for row in await rows.fetch(DEAD_LETTERS)]
    answers = await asyncio.gather(
        *(
            replica.replay(*letters[n : n + 20])
            for n, replica in zip(range(0, 120, 20), [first, second] * 3, strict=True)
        )
    )
    assert sum(len(outgoing) for _, outgoing in answers) == 50
    waiting = [item for items, _ in answers for item in items if item["outcome"] == "waiting"]
    assert {item["because"] for item in waiting} == {"rate"}
    assert len(waiting) == 70
    assert await first.store.list_due([]) == []
    await rows.execute(
        "UPDATE jobs.dead_letter_replays SET replayed_at = replayed_at - interval '61 s'"
    )
    due = await second.store.list_due([])
    assert len(due) == 50
    _, outgoing = await second.replay(*due, by=None)
    assert len(outgoing) == 50


async def test_while_its_target_is_held_a_dead_letter_waits_and_nothing_is_lost(
    harness: DeadLetterHarness, rows: asyncpg.Connection, read_topic: ReadTopic
) -> None:
    dead_letter_id = await collect_one(harness, rows, error="CircuitOpen")
    harness.paused = frozenset({"jobs.results"})
    await harness.find_due()
    assert await read_topic("jobs.commands") == []
    [item], outgoing = await harness.replay(dead_letter_id)
    assert (item["outcome"], item["because"], outgoing) == ("waiting", "paused", [])
    harness.paused = frozenset()
    await harness.find_due()
    [request] = await read_topic("jobs.commands")
    _, outgoing = await harness.replay(*request.letters, by=None)
    assert len(outgoing) == 1
    requester = "SELECT requested_by FROM jobs.dead_letter_replays WHERE replayed_at IS NOT NULL"
    assert await rows.fetchval(requester) == OPERATOR


async def test_poison_is_replayed_only_by_an_operator_and_only_if_it_can_be_decoded(
    harness: DeadLetterHarness, rows: asyncpg.Connection, read_topic: ReadTopic
) -> None:
    await harness.add(kind="poison")
    await harness.collect()
    unreadable = await rows.fetchval("SELECT id FROM jobs.message_dead_letters")
    readable = await collect_one(harness, rows, kind="poison")
    await harness.find_due()
    assert await read_topic("jobs.commands") == []
    assert await harness.replay(unreadable, readable, by=None) == ([], [])
    items, [sent] = await harness.replay(unreadable, readable)
    assert [item["ok"] for item in items] == [False, True]
    assert isinstance(sent.message, JobHeartbeat)


async def test_an_expired_command_waits_for_an_operator(
    harness: DeadLetterHarness, rows: asyncpg.Connection, submit_job: BuildJob
) -> None:
    command, message_id = submit_job(uuid4()), new_id()
    dead_letter_id = await collect_one(
        harness,
        rows,
        message=command,
        message_id=message_id,
        topic="jobs.commands",
        ttl_ms=5_000,
        reply_to="msaas:x:reply:gateway-1",
    )
    assert await rows.fetchval("SELECT count(*) FROM jobs.dead_letter_replays") == 0
    _, [sent] = await harness.replay(dead_letter_id)
    assert (sent.message, sent.id, sent.reply_to, sent.ttl_ms) == (command, message_id, None, None)


async def test_an_envelope_is_replayed_by_putting_its_job_back(
    harness: DeadLetterHarness, rows: asyncpg.Connection, given: Given, results: ResultsHarness
) -> None:
    run = await given.run()
    body = b'{"job_id": "%s", "fence": "%s"}' % (str(run.job).encode(), str(run.fence).encode())
    topic = get_topic("jobs.generic")
    fields = build_dead_letter(
        topic,
        {b"id": str(new_id()).encode(), b"type": b"JobEnvelope", b"data": body},
        entry_id="1-1",
        error="delivered too often",
        kind="transient",
        deliveries=6,
        at=datetime.now(UTC),
    )
    key = topic.dead_letter_key(harness.messenger.context.environment, "jobs-worker")
    await harness.messenger.context.broker.commit([Write(key, fields)])
    await harness.collect()
    [due] = await harness.store.list_due([])
    _, [sent] = await harness.replay(due, by=None)
    lost = run.lost(LossReason.RECLAIMED)
    assert (sent.message, sent.topic) == (lost, "jobs.results")
    await results.persist(lost)
    job = await given.job(run)
    assert (job["status"], job["fence"], job["losses"]) == ("PENDING", None, 1)


async def test_an_envelope_that_no_worker_can_read_counts_as_a_lost_run(
    harness: DeadLetterHarness, rows: asyncpg.Connection, given: Given, read_topic: ReadTopic
) -> None:
    run = await given.run()
    body = b'{"job_id": "%s", "fence": "%s"}' % (str(run.job).encode(), str(run.fence).encode())
    key = get_topic("jobs.browser").poison_key(
        harness.messenger.context.environment, "browser-worker"
    )
    fields = {b"data": body, b"dlq_entry_id": b"5-0", b"dlq_kind": b"poison"}
    await harness.messenger.context.broker.commit([Write(key, fields)])
    await harness.collect()
    [lost] = await read_topic("jobs.results")
    assert isinstance(lost, JobLost)
    assert lost == run.lost(LossReason.RECLAIMED)
    assert await rows.fetchval("SELECT resolved_at FROM jobs.message_dead_letters") is None


async def test_a_dead_letter_is_resolved_once_with_the_first_reason(
    harness: DeadLetterHarness, rows: asyncpg.Connection, read_metric: ReadMetric
) -> None:
    dead_letter_id, unknown = await collect_one(harness, rows), uuid4()
    resolve = DeadLetterResolver(harness.store, harness.metrics)
    for reason in ("Seen to.", "Seen to again."):
        command = ResolveDeadLetters(
            letters=(dead_letter_id, unknown), reason=reason, asked_by=OPERATOR
        )
        items = await resolve(command)
        assert [its_item["ok"] for its_item in items] == [True, False]
    [row] = await rows.fetch(DEAD_LETTERS)
    assert (row["reason"], row["resolved_by"]) == ("Seen to.", OPERATOR)
    assert await harness.store.list_due([]) == []
    [item], outgoing = await harness.replay(dead_letter_id)
    assert (item["problem"]["code"], outgoing) == ("conflict", [])
    assert read_metric(harness.metrics, "msaas_dead_letters_resolved_total") == 1


async def test_collected_open_and_replayed_dead_letters_are_counted(
    harness: DeadLetterHarness, rows: asyncpg.Connection, read_metric: ReadMetric
) -> None:
    count = CountDeadLettersTask(harness.store, harness.metrics)
    dead_letter_id = await collect_one(harness, rows)
    await count()
    assert read_metric(harness.metrics, "msaas_dead_letters_collected_total") == 1
    assert read_metric(harness.metrics, "msaas_dead_letters_open") == 1
    await harness.replay(dead_letter_id)
    await count()
    assert read_metric(harness.metrics, "msaas_dead_letters_open") == 0
    assert read_metric(harness.metrics, "msaas_dead_letters_replayed_total") == 1


@pytest.fixture
def read_metric() -> ReadMetric:
    """Read the value of a metric for transient dead letters of the results topic."""

    def read(metrics: Metrics, name: str) -> float | None:
        labels = {"topic": "jobs.results", "class": "transient"}
        stamp = {"service": "jobs", "environment": "test"}
        return metrics.registry.get_sample_value(name, labels | stamp)

    return read


async def list_ids(harness: DeadLetterHarness, **filters: Any) -> Sequence[UUID]:
    return [row["id"] for row in await harness.store.list_dead_letters(ListDeadLetters(**filters))]


async def test_dead_letters_are_listed_newest_first_by_pages_and_by_what_they_are(
    harness: DeadLetterHarness, rows: asyncpg.Connection
) -> None:
    kept = [await collect_one(harness, rows, error=error) for error in ("KeyError", "TimeoutError")]
    poison = await collect_one(harness, rows, kind="poison")
    assert await list_ids(harness) == [poison, *reversed(kept)]
    assert await list_ids(harness, letter_class=LetterClass.DOWNSTREAM) == [kept[1]]
    assert await list_ids(harness, topic="jobs.commands") == []
    [first] = await harness.store.list_dead_letters(ListDeadLetters(limit=1))
    following = await list_ids(harness, before_at=first["died_at"], before_id=first["id"])
    assert following == list(reversed(kept))
    await harness.replay(kept[0])
    assert await list_ids(harness, state=LetterState.REPLAYED) == [kept[0]]


async def test_a_topic_that_is_nearly_full_gets_no_replays(
    harness: DeadLetterHarness, rows: asyncpg.Connection, submit_job: BuildJob
) -> None:
    """The handler would wait for capacity that only it can free."""
    dead_letter_id = await collect_one(
        harness, rows, message=submit_job(uuid4()), topic="jobs.commands"
    )
    [key] = get_topic("jobs.commands").keys(harness.messenger.context.environment)
    broker = harness.messenger.context.broker
    filled = (await broker.commit([Write(key, {b"x": b"y"})] * 9_000)).entry_ids
    [item], outgoing = await harness.replay(dead_letter_id)
    assert (item["outcome"], item["because"], outgoing) == ("waiting", "topic_full", [])
    await broker.delete(key, filled)
    [item], _ = await harness.replay(dead_letter_id)
    assert item["outcome"] == "replayed"
