"""How the fleet is, for operators: how full its topics are, what is failing and held back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from msaas.gateway.application.ports import Row
from msaas.gateway.entrypoints.http.operators import Operator
from msaas.kernel import CircuitState
from msaas.web import from_state

ListTopicStats = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
ListPauses = Callable[[UUID], Awaitable[Sequence[Row]]]
ReadCircuits = Callable[[], Mapping[str, CircuitState]]

router = APIRouter(prefix="/api/v1/ops")


class _ResponseModel(BaseModel):
    model_config = ConfigDict(frozen=True)


class TopicState(_ResponseModel):
    topic: str
    consumer: str
    depth: int
    lag: int
    pending: int
    oldest_pending_seconds: float
    bound: int
    dead: int
    poison: int


class TopicStates(_ResponseModel):
    items: list[TopicState]


class Circuit(_ResponseModel):
    """A breaker of the process that answers."""

    target: str
    state: CircuitState


class TaskPause(_ResponseModel):
    """Jobs of this task wait, since what their workers need is failing or somebody said so."""

    task_type: str
    reason: Literal["flag", "circuit"]
    since: datetime
    until: datetime | None


class Circuits(_ResponseModel):
    circuits: list[Circuit]
    holds: list[TaskPause]


@router.get("/topics")
async def list_topics(
    operator: Operator,  # noqa: ARG001  # whoever it is
    list_topic_stats: Annotated[ListTopicStats, Depends(from_state("measure_topics"))],
) -> TopicStates:
    return TopicStates(items=[TopicState.model_validate(one) for one in await list_topic_stats()])


@router.get("/circuits")
async def list_circuits(
    operator: Operator,
    read_circuits: Annotated[ReadCircuits, Depends(from_state("read_circuits"))],
    list_pauses: Annotated[ListPauses, Depends(from_state("read_holds"))],
) -> Circuits:
    circuits = [
        Circuit(target=target, state=state) for target, state in sorted(read_circuits().items())
    ]
    holds = [TaskPause.model_validate(row) for row in await list_pauses(operator.id)]
    return Circuits(circuits=circuits, holds=holds)
