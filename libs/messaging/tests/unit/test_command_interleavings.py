"""What calls see of any interleaving of lost sends with lost, late, doubled, foreign answers."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Literal, NamedTuple, cast
from uuid import UUID

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from msaas.contracts import Entry, Message, Reply, SubmitJob, decode, encode, get_topic
from msaas.kernel import Clock, CommandTimeout, new_id
from msaas.messaging import BrokerUnavailable, CommandClient, Messenger
from msaas.messaging.command_client import MAX_SENDS_PER_CALL
from msaas.messaging.loop import BrokerLoop
from msaas.streams import CommitResult, StreamConsumer, Write
from msaas.testing import MemoryBroker, build_submit_job

ENV = "test"
TOPIC = get_topic("jobs.commands")
COMMANDS = TOPIC.key(ENV, "jobs")
TICK = 0.002

Send = Literal["arrives", "is lost", "arrives unheard"]
Kind = Literal["own", "none", "twice", "foreign", "garbage"]
Outcome = Reply | CommandTimeout | BrokerUnavailable


class Call(NamedTuple):
    starts: float
    ttl: float


class Answer(NamedTuple):
    kind: Kind
    after: float


class LossyBroker(MemoryBroker):
    """Loses commands, or the replies to them."""

    def __init__(self, clock: Clock, outcomes: Sequence[Send]) -> None:
        super().__init__(clock)
        self._outcomes = list(outcomes)

    async def commit(
        self,
        writes: Sequence[Write],
        consumer: StreamConsumer | None = None,
        acked_ids: Sequence[str] = (),
    ) -> CommitResult:
        of_commands = any(write.key == COMMANDS for write in writes)
        outcome = self._outcomes.pop() if of_commands and self._outcomes else "arrives"
        if outcome == "is lost":
            raise BrokerUnavailable(target="line")
        committed = await super().commit(writes, consumer, acked_ids)
        if outcome == "arrives unheard":
            raise BrokerUnavailable(target="line")
        return committed


class Owner:
    """Answers every command that reaches it in the way that is next."""

    def __init__(self, broker: MemoryBroker, answers: Sequence[Answer]) -> None:
        self.reached: dict[UUID, list[Entry[Message]]] = defaultdict(list)
        self.answered_at: dict[UUID, float] = {}
        self._broker, self._answers = broker, list(answers)
        self._position = "0-0"

    async def serve(self) -> None:
        async with asyncio.TaskGroup() as answering:
            while True:
                found = await self._broker.tail({COMMANDS: self._position}, 100, 1)
                for raw in found.get(COMMANDS, []):
                    self._position = raw.entry_id
                    answer = self._answers.pop() if self._answers else Answer("own", 0)
                    answering.create_task(self._answer(decode(TOPIC, raw.fields), answer))

    async def _answer(self, command: Entry[Message], answer: Answer) -> None:
        job_id = cast("SubmitJob", command.message).job_id
        self.reached[job_id].append(command)
        await asyncio.sleep(answer.after)
        own = Reply(command_id=command.id, ok=True, data={"job_id": job_id})
        foreign = Reply(command_id=new_id(), ok=True, data={"job_id": "foreign"})
        replies = {"own": [own], "twice": [own, own], "foreign": [foreign]}.get(answer.kind, [])
        bodies = [encode(r, id=new_id(), correlation_id="c", ts=command.ts) for r in replies]
        bodies += [{b"type": b"Reply", b"data": b"{"}] if answer.kind == "garbage" else []
        key, window = str(command.reply_to), timedelta(seconds=60)
        await self._broker.commit([Write(key, body, window, expires=True) for body in bodies])
        if own in replies:
            now = asyncio.get_running_loop().time()
            self.answered_at[job_id] = min(now, self.answered_at.get(job_id, now))


async def receive_reply(
    client: CommandClient, command: SubmitJob, call: Call
) -> tuple[Outcome, float]:
    """Return how a call ended, and when its timeout was."""
    await asyncio.sleep(call.starts)
    ends = asyncio.get_running_loop().time() + call.ttl
    try:
        return await client.call(TOPIC.name, command, ttl=call.ttl, correlation_id="c"), ends
    except (CommandTimeout, BrokerUnavailable) as error:
        return error, ends


# Hundredths of a second: what happens at one moment is as likely as what does not.
moments = st.integers(0, 300).map(lambda hundredths: hundredths / 100)
some_calls = st.builds(Call, moments, st.integers(10, 300).map(lambda hundredths: hundredths / 100))
some_sends = st.sampled_from(["arrives", "arrives", "is lost", "arrives unheard"])
some_answers = st.builds(
    Answer, st.sampled_from(["own", "none", "twice", "foreign", "garbage"]), moments
)


@given(
    calls=st.lists(some_calls, min_size=1, max_size=6),
    sends=st.lists(some_sends, max_size=12),
    answers=st.lists(some_answers, max_size=12),
)
@settings(
    deadline=None,
    derandomize=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # they hold nothing of an example
)
async def test_each_call_gets_its_own_answer_or_ends_with_its_time(
    clock: Clock,
    make_messenger: Callable[..., Messenger],
    running: Callable[[BrokerLoop], AbstractAsyncContextManager[asyncio.Task[None]]],
    calls: Sequence[Call],
    sends: Sequence[Send],
    answers: Sequence[Answer],
) -> None:
    broker = LossyBroker(clock, sends)
    owner = Owner(broker, answers)
    client = make_messenger(broker, "gateway").create_command_client()
    commands = [build_submit_job() for _ in calls]
    serving = asyncio.create_task(owner.serve())
    async with running(client):
        ends = await asyncio.gather(
            *(
                receive_reply(client, command, call)
                for command, call in zip(commands, calls, strict=True)
            )
        )
    serving.cancel()
    await asyncio.wait({serving})
    for command, (outcome, over_at) in zip(commands, ends, strict=True):
        event(type(outcome).__name__)
        answered_at = owner.answered_at.get(command.job_id)
        if isinstance(outcome, Reply):
            assert outcome.data == {"job_id": str(command.job_id)}
            assert answered_at is not None
        elif isinstance(outcome, CommandTimeout):
            assert answered_at is None or answered_at > over_at - TICK
        else:
            assert set(sends) - {"arrives"}
        sent = owner.reached[command.job_id]
        times_left = [message.ttl_ms or 0 for message in sent]
        assert len({message.id for message in sent}) <= 1
        assert len(sent) <= MAX_SENDS_PER_CALL
        assert times_left == sorted(set(times_left), reverse=True)
