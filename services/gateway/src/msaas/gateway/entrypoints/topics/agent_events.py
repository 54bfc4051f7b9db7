"""The topic agents.events: steps, text and ends of agent runs, as frames for live streams."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from msaas.contracts import (
    Message,
    RunChanged,
    RunFinished,
    RunStep,
    RunToken,
    Topic,
    run_frame,
    step_frame,
    token_frame,
)
from msaas.gateway.application.job_event_hub import JobEventHub, delay_seconds
from msaas.gateway.domain.replay_buffer import Frame, StreamPosition
from msaas.messaging import Delivery
from msaas.telemetry import Metrics

TOPIC: Final = "agents.events"


class AgentEventHandler:
    def __init__(self, run_hub: JobEventHub, metrics: Metrics) -> None:
        self._run_hub = run_hub
        self._delay = metrics.histogram(
            "msaas_sse_event_delay_seconds", "From an event's entry to its frame."
        )

    def start_at(self, positions: Mapping[str, str]) -> None:
        (position,) = positions.values()
        self._run_hub.start_at(position)

    async def reset(self) -> None:
        self._run_hub.reset()

    async def handle(self, _topic: Topic, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            user_id, run_id, data = _build_frame(delivery.entry_id, delivery.message)
            position = StreamPosition.parse(delivery.entry_id)
            self._run_hub.append(user_id, Frame(position, data, run_id))
        self._delay.observe(delay_seconds(StreamPosition.parse(deliveries[-1].entry_id)))


def _build_frame(cursor: str, event: Message) -> tuple[UUID, UUID, bytes]:
    match event:
        case RunChanged():
            return event.user_id, event.run.id, run_frame(cursor, event.run)
        case RunFinished():
            finished = run_frame(cursor, event.run, has_finished=True)
            return event.user_id, event.run.id, finished
        case RunStep():
            return event.user_id, event.step.run_id, step_frame(cursor, event.step)
        case RunToken():
            return event.user_id, event.run_id, token_frame(cursor, event)
        case other:
            raise TypeError(f"{TOPIC} does not carry {other.type_name()}")
