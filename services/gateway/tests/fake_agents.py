"""A service agents on the real Redis: it decides what is asked, and publishes frames."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from msaas.contracts import (
    ApproveStep,
    Ceilings,
    Message,
    ResumeRun,
    RunFrame,
    RunState,
    RunStep,
    RunToken,
    Spend,
    StepFrame,
    StepState,
)
from msaas.messaging import ConsumerTimings, Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT


class FakeAgentsService:
    def __init__(self, messenger: Messenger, rows: asyncpg.Connection) -> None:
        self.commands: list[Message] = []
        self._messenger = messenger
        self._rows = rows
        messenger.consume_batches("agents.commands", self._handle)

    async def _handle(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        return [reply for delivery in batch for reply in await self._decide(delivery)]

    async def _decide(self, delivery: Delivery) -> list[OutgoingMessage]:
        """Store the first decision; a later one is answered with it."""
        command = delivery.message
        self.commands.append(command)
        match command:
            case ApproveStep():
                state, answer = ("approved" if command.approved else "denied"), None
            case ResumeRun():
                state, answer = "answered", json.dumps(command.answer)
            case other:
                raise TypeError(other.type_name())
        await self._rows.execute(
            "UPDATE agents.approvals SET state = $2, answer = $3, decided_at = now()"
            " WHERE id = $1 AND state = 'open'",
            *(command.approval_id, state, answer),
        )
        found = await self._rows.fetchval(
            "SELECT state FROM agents.approvals WHERE id = $1", command.approval_id
        )
        return delivery.reply_success(state=found)

    async def publish(self, event: Message) -> None:
        await self._messenger.publisher.publish("agents.events", event, correlation_id="c")

    async def publish_step(self, user_id: UUID, run_id: UUID, seq: int, state: StepState) -> None:
        step = StepFrame(
            run_id=run_id,
            seq=seq,
            kind="browse",
            state=state,
            title="Read a page",
            started_at=datetime.now(UTC),
        )
        await self.publish(RunStep(user_id=user_id, step=step))

    async def publish_text(self, user_id: UUID, run_id: UUID, parts: Sequence[str]) -> None:
        offset = 0
        for part in parts:
            token = RunToken(run_id=run_id, user_id=user_id, call="write", offset=offset, text=part)
            await self.publish(token)
            offset += len(part)


def build_frame(run_id: UUID, state: RunState, version: int) -> RunFrame:
    now = datetime.now(UTC)
    return RunFrame(
        id=run_id,
        workflow_type="research",
        state=state,
        title="Which?",
        spend=Spend(model_calls=1),
        ceilings=Ceilings(steps=20),
        version=version,
        created_at=now,
        updated_at=now,
    )


@asynccontextmanager
async def running_agents(
    redis_url_for: Callable[[str], str], environment: str, rows: asyncpg.Connection
) -> AsyncGenerator[FakeAgentsService]:
    broker = RedisBroker(redis_url_for("agents"), command_timeout=GENEROUS_TIMEOUT)
    messenger = Messenger(
        broker,
        "agents",
        environment,
        metrics=Metrics("agents", environment),
        timings=ConsumerTimings(block_timeout=0.05),
    )
    service = FakeAgentsService(messenger, rows)
    running = asyncio.create_task(messenger.run())
    yield service
    messenger.drain()
    await running
    await broker.close()
