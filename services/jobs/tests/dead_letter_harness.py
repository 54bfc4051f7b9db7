"""The dead letters of one replica, without its periodic tasks and consumers."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from msaas.contracts import Message, ReplayDeadLetters, build_dead_letter, encode, get_topic
from msaas.jobs.adapters.dead_letter_streams import BrokerDeadLetterStreams
from msaas.jobs.adapters.postgres.dead_letters import PostgresDeadLetters
from msaas.jobs.application.collect_dead_letters import CollectDeadLettersTask
from msaas.jobs.application.dead_letters_tasks import DueReplaysTask
from msaas.jobs.application.process_commands import ProcessCommands
from msaas.jobs.application.replay_dead_letters import DeadLetterReplayer
from msaas.kernel import new_id
from msaas.messaging import Messenger, OutgoingMessage
from msaas.streams import Write
from msaas.telemetry import Metrics
from msaas.testing import FakeClock

OPERATOR = uuid4()


@dataclass
class DeadLetterHarness:
    """Collects, replays and counts dead letters as one replica does."""

    store: PostgresDeadLetters
    streams: BrokerDeadLetterStreams
    messenger: Messenger
    metrics: Metrics
    clock: FakeClock
    process_commands: ProcessCommands
    jitter: float = 0.0
    added: int = 0
    paused: frozenset[str] = frozenset()

    async def add(
        self,
        message: Message | None = None,
        *,
        topic: str = "jobs.results",
        message_id: UUID | None = None,
        error: str = "KeyError",
        kind: Any = "transient",
        **headers: Any,
    ) -> str:
        """Dead-letter an entry as a consumer does; return the id of the entry."""
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
        self.added += 1
        entry_id = f"{time.time_ns()}-{self.added}"
        fields = build_dead_letter(
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
        key = name(self.messenger.context.environment, consumer)
        await self.messenger.context.broker.commit([Write(key, fields)])
        return entry_id

    async def collect(
        self,
        streams: BrokerDeadLetterStreams | None = None,
        store: PostgresDeadLetters | None = None,
    ) -> None:
        await CollectDeadLettersTask(
            store or self.store,
            streams or self.streams,
            self.messenger.publisher,
            self.metrics,
            jitter=lambda: self.jitter,
        )()

    async def find_due(self) -> None:
        await DueReplaysTask(self.store, self, self.messenger.publisher, self.clock)()

    async def find_paused(self) -> frozenset[str]:
        return self.paused

    async def replay(
        self, *ids: UUID, by: UUID | None = OPERATOR, replay_id: UUID | None = None
    ) -> tuple[list[dict[str, Any]], list[OutgoingMessage]]:
        use_case = DeadLetterReplayer(
            self.store, self, self.streams, self.process_commands, self.metrics
        )
        command = ReplayDeadLetters(replay_id=replay_id or new_id(), letters=ids, asked_by=by)
        return await use_case(command)

    async def count_left(self) -> int:
        found = [await self.streams.peek(stream) for stream in self.streams.list_streams()]
        return sum(map(len, found))
