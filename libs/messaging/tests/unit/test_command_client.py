"""A command and its reply: resent until a reply arrives, refused, or expired."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

import pytest

from msaas.contracts import Entry, Message, Reply, ReplyProblem, decode, encode, get_topic
from msaas.kernel import Clock, CommandTimeout, new_id
from msaas.messaging import BrokerUnavailable, CommandClient, CommandRefused, Messenger
from msaas.messaging.loop import BrokerLoop
from msaas.streams import (
    BrokerFull,
    BrokerUnconfirmed,
    CommitResult,
    StreamConsumer,
    TopicFull,
    Write,
    entry_timestamp_ms,
)
from msaas.testing import MemoryBroker, build_submit_job, wait_until

ENV = "test"
TOPIC = get_topic("jobs.commands")
COMMANDS = TOPIC.key(ENV, "jobs")
MINUTE = timedelta(seconds=60)

Running = Callable[[BrokerLoop], AbstractAsyncContextManager[asyncio.Task[None]]]


class LaggingClock:
    """The clock of Redis, which may differ from the clock of the process."""

    def __init__(self, clock: Clock) -> None:
        self.monotonic, self.sleep = clock.monotonic, clock.sleep
        self.lag = 0
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now() - timedelta(seconds=self.lag)


class ScriptedBroker(MemoryBroker):
    """Raises the listed errors, one for each commit, before or after it takes effect."""

    def __init__(self, clock: Clock) -> None:
        self.time = LaggingClock(clock)
        super().__init__(self.time)
        self.before: list[Exception | None] = []
        self.after: list[Exception | None] = []
        self.depth_shown = 0
        self.seconds: list[float] = []

    async def commit(
        self,
        writes: Sequence[Write],
        consumer: StreamConsumer | None = None,
        acked_ids: Sequence[str] = (),
    ) -> CommitResult:
        await asyncio.sleep(self.seconds.pop(0) if self.seconds else 0)
        if fault := self.before.pop(0) if self.before else None:
            raise fault
        committed = await super().commit(writes, consumer, acked_ids)
        if fault := self.after.pop(0) if self.after else None:
            raise fault
        return CommitResult(committed.entry_ids, dict.fromkeys(committed.depths, self.depth_shown))

    async def depth(self, key: str) -> int:
        return self.depth_shown

    async def sent(self) -> list[Entry[Message]]:
        found = await self.tail({COMMANDS: "0-0"}, 100, 0)
        return [decode(TOPIC, raw.fields) for raw in found.get(COMMANDS, [])]

    async def answer(self, command: Entry[Message], reply: Reply) -> None:
        assert command.reply_to is not None
        fields = encode(reply, id=new_id(), correlation_id="c", ts=command.ts)
        await self.commit([Write(command.reply_to, fields, MINUTE, expires=True)])


@pytest.fixture
def broker(clock: Clock) -> ScriptedBroker:
    return ScriptedBroker(clock)


@pytest.fixture
def client(broker: ScriptedBroker, make_messenger: Callable[..., Messenger]) -> CommandClient:
    return make_messenger(broker, "gateway").create_command_client()


@pytest.fixture
def send(client: CommandClient) -> Callable[..., asyncio.Task[Reply]]:
    def send(ttl: float = 3.0) -> asyncio.Task[Reply]:
        coroutine = client.call(TOPIC.name, build_submit_job(), ttl=ttl, correlation_id="c")
        return asyncio.create_task(coroutine)

    return send


SendCommand = Callable[..., asyncio.Task[Reply]]


def accepting(command: Entry[Message], **data: object) -> Reply:
    return Reply(command_id=command.id, ok=True, data=data)


async def test_a_call_returns_the_reply_of_the_owner(
    broker: ScriptedBroker, client: CommandClient, send: SendCommand, running: Running
) -> None:
    async with running(client):
        call = send()
        [command] = await wait_until(broker.sent)
        await broker.answer(command, accepting(command, version=7))
        assert (await call).data == {"version": 7}
    assert len(await broker.sent()) == 1


async def test_an_unanswered_command_is_resent_under_the_same_id_with_less_time_left(
    broker: ScriptedBroker, client: CommandClient, send: SendCommand, running: Running
) -> None:
    async with running(client):
        with pytest.raises(CommandTimeout):
            await send(ttl=3.0)
    sent = await broker.sent()
    assert len({command.id for command in sent}) == 1
    assert [command.ttl_ms for command in sent] == [3000, 2000, 1000]
    assert [command.message for command in sent] == [sent[0].message] * 3


@pytest.mark.parametrize("seconds", [[0.9], [0, 0.9], [0, 0, 0.9], [0.9, 0.9]])
async def test_a_call_does_not_end_before_every_entry_it_sent_has_expired(
    broker: ScriptedBroker,
    client: CommandClient,
    send: SendCommand,
    running: Running,
    seconds: list[float],
) -> None:
    broker.seconds = list(seconds)
    async with running(client):
        with pytest.raises(CommandTimeout):
            await send(ttl=3.0)
        over_ms = await broker.now_ms()
    found = (await broker.tail({COMMANDS: "0-0"}, 100, 0))[COMMANDS]
    for raw in found:
        assert entry_timestamp_ms(raw.entry_id) + (decode(TOPIC, raw.fields).ttl_ms or 0) <= over_ms


async def test_a_reply_to_any_entry_stops_resending(
    broker: ScriptedBroker, client: CommandClient, send: SendCommand, running: Running
) -> None:
    async with running(client):
        call = send(ttl=3.0)
        await asyncio.sleep(1.5)
        first, _ = await broker.sent()
        await broker.answer(first, accepting(first))
        assert (await call).ok
        await asyncio.sleep(5)
    assert len(await broker.sent()) == 2


async def test_a_refusal_raises_with_its_problem(
    broker: ScriptedBroker, client: CommandClient, send: SendCommand, running: Running
) -> None:
    problem = ReplyProblem(
        code="quota_exceeded", detail="All used.", retryable=False, context={"limit": 10}
    )
    async with running(client):
        call = send()
        [command] = await wait_until(broker.sent)
        await broker.answer(command, Reply(command_id=command.id, ok=False, problem=problem))
        with pytest.raises(CommandRefused, match="All used") as refused:
            await call
    assert refused.value.problem == problem
    assert refused.value.context == {"limit": 10}


UNAVAILABLE = ReplyProblem(code="dependency_unavailable", detail="No writes now.", retryable=True)


@pytest.mark.parametrize("second", ["accepted", "refused", "nothing"])
async def test_a_passing_refusal_counts_once_every_copy_was_refused(
    second: str, broker: ScriptedBroker, client: CommandClient, send: SendCommand, running: Running
) -> None:
    async with running(client):
        call = send(ttl=3.0)
        await asyncio.sleep(1.5)
        first, copy = await broker.sent()
        refusal = Reply(command_id=first.id, ok=False, problem=UNAVAILABLE)
        await broker.answer(first, refusal)
        await asyncio.sleep(0.1)
        assert not call.done()
        if second == "accepted":
            await broker.answer(copy, accepting(copy))
            assert (await call).ok
            return
        if second == "refused":
            await broker.answer(copy, refusal)
            with pytest.raises(CommandRefused, match="No writes now"):
                await call
            return
        with pytest.raises(CommandTimeout):  # the owner may have carried it out at the last moment
            await call


async def test_a_full_topic_is_reported_at_once_and_nothing_is_sent(
    broker: ScriptedBroker, client: CommandClient, send: SendCommand, running: Running
) -> None:
    async with running(client):
        broker.depth_shown = TOPIC.bound or 0
        with pytest.raises(CommandTimeout):
            await send(ttl=0.1)
        before = len(await broker.sent())
        with pytest.raises(TopicFull) as full:
            await send()
    assert full.value.context["retry_after"] == 1
    assert len(await broker.sent()) == before


async def test_a_topic_that_fills_up_after_the_first_send_does_not_end_the_call(
    broker: ScriptedBroker, client: CommandClient, send: SendCommand, running: Running
) -> None:
    async with running(client):
        broker.depth_shown = TOPIC.bound or 0
        call = send(ttl=3.0)
        await asyncio.sleep(2.5)
        [command] = await broker.sent()
        await broker.answer(command, accepting(command))
        assert (await call).ok


@pytest.mark.parametrize("fault", [BrokerUnavailable(target="redis"), BrokerFull(reply="OOM")])
async def test_a_failure_of_the_first_send_is_raised_and_of_a_later_one_is_not(
    broker: ScriptedBroker,
    client: CommandClient,
    send: SendCommand,
    running: Running,
    fault: Exception,
) -> None:
    async with running(client):
        broker.before = [fault]
        with pytest.raises(type(fault)):
            await send()
        broker.before = [None, fault, None]
        call = send(ttl=3.0)
        await asyncio.sleep(2.5)
        command, again = await broker.sent()
        assert command.id == again.id
        await broker.answer(again, accepting(again))
        assert (await call).ok


async def test_a_first_send_that_may_have_arrived_is_not_reported_as_not_carried_out(
    broker: ScriptedBroker, client: CommandClient, send: SendCommand, running: Running
) -> None:
    unconfirmed = BrokerUnconfirmed(target="redis")
    async with running(client):
        broker.after = [unconfirmed]
        call = send()
        await wait_until(broker.sent)
        [command] = await broker.sent()
        await broker.answer(command, accepting(command))
        assert (await call).ok
        broker.after = [unconfirmed, unconfirmed, unconfirmed]
        with pytest.raises(CommandTimeout):
            await send()


async def test_duplicate_late_and_unknown_replies_are_ignored(
    broker: ScriptedBroker, client: CommandClient, send: SendCommand, running: Running
) -> None:
    async with running(client):
        with pytest.raises(CommandTimeout):
            await send(ttl=1.0)
        old = (await broker.sent())[0]
        call = send(ttl=3.0)
        new = (await wait_until(lambda: after(broker, 3)))[0]
        await broker.answer(old, accepting(old, whose="old"))
        await broker.answer(new, Reply(command_id=new_id(), ok=True, data={"whose": "another"}))
        await broker.answer(new, accepting(new, whose="new"))
        await broker.answer(new, accepting(new, whose="new, again"))
        assert (await call).data == {"whose": "new"}


async def after(broker: ScriptedBroker, count: int) -> Sequence[Entry[Message]]:
    return (await broker.sent())[count:]


async def test_an_unreadable_reply_does_not_hide_the_next(
    broker: ScriptedBroker, client: CommandClient, send: SendCommand, running: Running
) -> None:
    async with running(client):
        call = send()
        [command] = await wait_until(broker.sent)
        await broker.commit([Write(str(command.reply_to), {b"type": b"Nonsense"})])
        await broker.answer(command, accepting(command))
        assert (await call).ok


async def test_a_reply_on_another_broker_whose_clock_lags_is_read_after_its_epoch(
    broker: ScriptedBroker, client: CommandClient, send: SendCommand, running: Running
) -> None:
    async with running(client):
        call = send()
        [command] = await wait_until(broker.sent)
        await broker.answer(command, accepting(command))
        await call
        broker.flush()
        broker.time.lag = 20
        call = send()
        [command] = await wait_until(broker.sent)
        await broker.answer(command, accepting(command))
        await asyncio.sleep(0.5)
        assert not call.done()
        await client.on_new_epoch("another")
        assert (await call).ok


async def test_a_read_that_began_before_a_new_epoch_skips_no_reply(
    broker: ScriptedBroker, client: CommandClient, send: SendCommand
) -> None:
    first = send()
    [command] = await wait_until(broker.sent)
    await broker.answer(command, accepting(command))
    await client.step()
    await first
    reading = asyncio.create_task(client.step())
    broker.flush()
    broker.time.lag = 20
    call = send()
    [command] = await wait_until(broker.sent)
    await broker.answer(command, accepting(command))
    await client.on_new_epoch("another")
    broker.time.lag = -20
    await broker.answer(command, Reply(command_id=new_id(), ok=True))
    await reading
    await client.step()
    assert (await call).ok


async def test_a_cancelled_call_sends_nothing_more(
    broker: ScriptedBroker, client: CommandClient, send: SendCommand, running: Running
) -> None:
    async with running(client):
        call = send()
        [command] = await wait_until(broker.sent)
        call.cancel()
        await asyncio.wait({call})
        await broker.answer(command, accepting(command))
        await asyncio.sleep(5)
    assert len(await broker.sent()) == 1
