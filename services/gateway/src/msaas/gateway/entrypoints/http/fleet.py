"""The state of the fleet, for operators: its topics, circuit breakers and pauses."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter

from msaas.contracts import Scope
from msaas.gateway.entrypoints.http.dependencies import (
    CurrentUser,
    ListPausesDep,
    ListTopicStatsDep,
    ReadCircuitsDep,
)
from msaas.gateway.entrypoints.http.models import ResponseModel
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard
from msaas.kernel import CircuitState

router = APIRouter(prefix="/api/v1/ops")
_OPERATOR_READS = guard(RouteRule(scope=Scope.OPS, operators_only=True))


class TopicState(ResponseModel):
    topic: str
    consumer: str
    depth: int
    lag: int
    pending: int
    oldest_pending_seconds: float
    bound: int
    dead: int
    poison: int


class TopicStates(ResponseModel):
    items: list[TopicState]


class Circuit(ResponseModel):
    """A circuit breaker of the process that serves the request."""

    target: str
    state: CircuitState


class TaskPause(ResponseModel):
    """Jobs of this task wait because of a flag or an open circuit breaker."""

    task_type: str
    reason: Literal["flag", "circuit"]
    since: datetime
    until: datetime | None


class Circuits(ResponseModel):
    circuits: list[Circuit]
    holds: list[TaskPause]


@router.get("/topics", dependencies=[_OPERATOR_READS])
async def list_topics(list_topic_stats: ListTopicStatsDep) -> TopicStates:
    stats = await list_topic_stats()
    return TopicStates(items=[TopicState.model_validate(topic) for topic in stats])


@router.get("/circuits", dependencies=[_OPERATOR_READS])
async def list_circuits(
    operator: CurrentUser, read_circuits: ReadCircuitsDep, list_pauses: ListPausesDep
) -> Circuits:
    circuits = [
        Circuit(target=target, state=state) for target, state in sorted(read_circuits().items())
    ]
    pauses = [TaskPause.model_validate(row) for row in await list_pauses(operator.id)]
    return Circuits(circuits=circuits, holds=pauses)
