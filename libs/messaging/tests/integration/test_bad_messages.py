"""Entries that cannot be read or handled do not affect other entries."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID, uuid4

import pytest

from msaas.contracts import MAX_DATA, MessageTooLarge, SubmitJob, get_topic
from msaas.kernel import ErrorKind, MsaasError
from msaas.messaging import CommandRefused, Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.postgres import Database
from msaas.streams import Write
from msaas.testing import build_submit_job, wait_until

OpenMessenger = Callable[..., Messenger]
OpenBroker = Callable[..., RedisBroker]
Start = Callable[..., None]
Submit = Callable[..., Awaitable[set[UUID]]]
TOPIC = get_topic("jobs.commands")
READABLE = {
    b"id": str(uuid4()).encode(),
    b"type": b"SubmitJob",
    b"v": b"1",
    b"correlation_id": b"test",
    b"ts": b"2026-01-01T00:00:00Z",
    b"data": build_submit_job().model_dump_json().encode(),
}


class JobDatabase(Protocol):
    database: Database

    async def submit(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]: ...
    async def list_jobs(self) -> set[UUID]: ...


class DeadLetterStreams:
    """The two dead-letter streams of commands."""

    def __init__(self, broker: RedisBroker, environment: str) -> None:
        self._broker = broker
        self.key = TOPIC.key(environment, "jobs")
        self._dead = TOPIC.dead_letter_key(environment, "jobs")
        self._poison = TOPIC.poison_key(environment, "jobs")

    async def list_dead(self) -> list[Mapping[bytes, bytes]]:
        return await self._list(self._dead)

    async def list_poison(self) -> list[Mapping[bytes, bytes]]:
        return await self._list(self._poison)

    async def is_empty(self) -> bool:
        """Return whether every command has been stored or dead-lettered."""
        return await self._broker.depth(self.key) == 0

    async def _list(self, key: str) -> list[Mapping[bytes, bytes]]:
        found = await self._broker.tail({key: "0-0"}, 1000, 0)
        return [raw.fields for raw in found.get(key, ())]


class Forbidden(MsaasError):
    code = "forbidden"
    kind = ErrorKind.FORBIDDEN
    default_message = "Not yours."


@pytest.fixture
def dead_letters(open_broker: OpenBroker, environment: str) -> DeadLetterStreams:
    return DeadLetterStreams(open_broker(), environment)


@pytest.fixture
def consume(open_messenger: OpenMessenger, start: Start) -> Callable[..., None]:
    def consume_(handle: Any, **timings: Any) -> None:
        messenger = open_messenger("jobs", **timings)
        messenger.consume_batches("jobs.commands", handle, max_size=100)
        start(messenger)

    return consume_


async def test_what_cannot_be_read_is_quarantined_with_the_reason_and_the_rest_is_done(
    dead_letters: DeadLetterStreams,
    consume: Callable[..., None],
    job_database: JobDatabase,
    submit: Submit,
    open_broker: OpenBroker,
) -> None:
    broker = open_broker()
    unreadable: dict[str, Mapping[bytes, bytes]] = {
        "id is missing": {b"job": b"not an entry of ours"},
        "type is not one of jobs.commands": {**READABLE, b"type": b"JobEnvelope"},
        "v is not a known version": {**READABLE, b"v": b"2"},
        "data: json_invalid": {**READABLE, b"data": b"\xff\x00 {"},
        "data: job_id: missing": {**READABLE, b"data": b"{}"},
        f"data is larger than {MAX_DATA} bytes": {**READABLE, b"data": b" " * (MAX_DATA + 1)},
        "reply_to names no reply stream": {**READABLE, b"reply_to": b"msaas:prod:epoch"},
        "ttl_ms is malformed": {**READABLE, b"ttl_ms": b"-1"},
    }
    expected = await submit(broker, 5)
    await broker.commit([Write(dead_letters.key, fields) for fields in unreadable.values()])
    expected |= await submit(broker, 5)
    consume(job_database.submit)
    await wait_until(dead_letters.is_empty)
    assert await job_database.list_jobs() == expected
    poisoned = await dead_letters.list_poison()
    assert [fields[b"dlq_error"].decode() for fields in poisoned] == list(unreadable)
    assert {fields[b"dlq_kind"] for fields in poisoned} == {b"poison"}
    assert await dead_letters.list_dead() == []


async def test_what_is_too_large_does_not_reach_the_broker(open_messenger: OpenMessenger) -> None:
    gateway = open_messenger("gateway")
    large = build_submit_job(payload={"text": "x" * MAX_DATA})
    with pytest.raises(MessageTooLarge):
        await gateway.publisher.publish("jobs.commands", large, correlation_id="test")


async def test_a_row_that_the_database_refuses_is_found_among_ninety_nine_good_ones(
    dead_letters: DeadLetterStreams,
    consume: Callable[..., None],
    job_database: JobDatabase,
    submit: Submit,
    open_messenger: OpenMessenger,
    open_broker: OpenBroker,
) -> None:
    gateway = open_messenger("gateway")
    poison = build_submit_job()
    expected = await submit(open_broker(), 60)
    await gateway.publisher.publish("jobs.commands", poison, correlation_id="test")
    expected |= await submit(open_broker(), 39)
    async with job_database.database.connection() as connection:
        await connection.execute(
            f"alter table jobs add constraint refused check (job_id <> '{poison.job_id}')"
        )
    consume(job_database.submit, max_deliveries=2, reclaim_after=0.3)
    await wait_until(dead_letters.is_empty)
    assert await job_database.list_jobs() == expected
    [dead] = await dead_letters.list_dead()
    assert SubmitJob.model_validate_json(dead[b"data"]).job_id == poison.job_id
    assert dead[b"dlq_error"] == b"CheckViolationError"
    assert dead[b"dlq_deliveries"] == b"2"


async def test_a_handler_that_hangs_is_cut_short_and_what_made_it_hang_is_set_aside(
    dead_letters: DeadLetterStreams,
    consume: Callable[..., None],
    job_database: JobDatabase,
    submit: Submit,
    open_messenger: OpenMessenger,
    open_broker: OpenBroker,
) -> None:
    gateway = open_messenger("gateway")
    trap = build_submit_job()
    expected = await submit(open_broker(), 4)
    await gateway.publisher.publish("jobs.commands", trap, correlation_id="test")
    expected |= await submit(open_broker(), 4)

    async def hang_on_the_trap(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        if any(d.message == trap for d in batch):
            await asyncio.Event().wait()
        return await job_database.submit(batch)

    consume(hang_on_the_trap, max_deliveries=2, reclaim_after=0.3, handler_timeout=0.4)
    await wait_until(dead_letters.is_empty)
    assert expected <= await job_database.list_jobs()
    [dead] = await dead_letters.list_dead()
    assert (dead[b"dlq_error"], dead[b"dlq_kind"]) == (b"TimeoutError", b"transient")


async def test_a_handler_that_raises_once_is_given_the_entry_again(
    dead_letters: DeadLetterStreams,
    consume: Callable[..., None],
    job_database: JobDatabase,
    submit: Submit,
    open_broker: OpenBroker,
) -> None:
    raised: list[int] = []

    async def raise_once(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        if not raised:
            raised.append(len(batch))
            raise ValueError
        assert all(d.raw.delivery_count == 2 for d in batch)
        return await job_database.submit(batch)

    expected = await submit(open_broker(), 1)
    consume(raise_once, reclaim_after=0.3)
    await wait_until(dead_letters.is_empty)
    assert await job_database.list_jobs() == expected


async def test_a_permanent_error_is_set_aside_at_once(
    dead_letters: DeadLetterStreams,
    consume: Callable[..., None],
    submit: Submit,
    open_broker: OpenBroker,
) -> None:
    async def forbid(_: Sequence[Delivery]) -> list[OutgoingMessage]:
        raise Forbidden

    await submit(open_broker(), 3)
    consume(forbid, reclaim_after=3600)
    await wait_until(dead_letters.is_empty)
    assert [fields[b"dlq_error"] for fields in await dead_letters.list_poison()] == [
        b"Forbidden"
    ] * 3


async def test_a_refusal_is_an_answer_and_no_failure(
    dead_letters: DeadLetterStreams,
    consume: Callable[..., None],
    open_messenger: OpenMessenger,
    start: Start,
) -> None:
    async def refuse(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        return [message for delivery in batch for message in delivery.reply_error(Forbidden())]

    gateway = open_messenger("gateway")
    client = gateway.create_command_client()
    start(gateway)
    consume(refuse)
    with pytest.raises(CommandRefused, match="Not yours") as refusal:
        await client.call("jobs.commands", build_submit_job(), ttl=5, correlation_id="test")
    assert refusal.value.problem.code == "forbidden"
    assert await wait_until(dead_letters.is_empty)
    assert await dead_letters.list_poison() == []
