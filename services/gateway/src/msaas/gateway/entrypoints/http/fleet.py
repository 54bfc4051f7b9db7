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

Measure = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
ReadHolds = Callable[[UUID], Awaitable[Sequence[Row]]]
ReadCircuits = Callable[[], Mapping[str, CircuitState]]

router = APIRouter(prefix="/api/v1/ops")


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class TopicState(_Answer):
    topic: str
    consumer: str
    depth: int
    lag: int
    pending: int
    oldest_pending_seconds: float
    bound: int
    dead: int
    poison: int


class TopicStates(_Answer):
    items: list[TopicState]


class Circuit(_Answer):
    """A breaker of the process that answers."""

    target: str
    state: CircuitState


class Hold(_Answer):
    """Jobs of this task wait, since what their workers need is failing or somebody said so."""

    task_type: str
    reason: Literal["flag", "circuit"]
    since: datetime
    until: datetime | None


class Circuits(_Answer):
    circuits: list[Circuit]
    holds: list[Hold]


@router.get("/topics")
async def list_topics(
    operator: Operator,  # noqa: ARG001  # whoever it is
    measure: Annotated[Measure, Depends(from_state("measure_topics"))],
) -> TopicStates:
    return TopicStates(items=[TopicState.model_validate(one) for one in await measure()])


@router.get("/circuits")
async def list_circuits(
    operator: Operator,
    read: Annotated[ReadCircuits, Depends(from_state("read_circuits"))],
    read_holds: Annotated[ReadHolds, Depends(from_state("read_holds"))],
) -> Circuits:
    circuits = [Circuit(target=target, state=state) for target, state in sorted(read().items())]
    holds = [Hold.model_validate(row) for row in await read_holds(operator.id)]
    return Circuits(circuits=circuits, holds=holds)
