"""Dead letters, for operators alone: their owner is asked, so that no user's rows are opened."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError

from msaas.contracts import (
    LetterClass,
    LetterState,
    ListDeadLetters,
    ReplayDeadLetters,
    ResolveDeadLetters,
    ShowDeadLetter,
)
from msaas.gateway.application.audit import Actor, Auditor
from msaas.gateway.application.ports import CommandSender
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.gateway.entrypoints.http.dead_letter_models import (
    Letter,
    LetterOutcome,
    LetterOutcomes,
    LetterPage,
    LetterSummary,
    ReplayRequest,
    ResolveRequest,
)
from msaas.gateway.entrypoints.http.job_requests import idempotency_key
from msaas.gateway.entrypoints.http.operators import Operator
from msaas.kernel import derive_id, new_id
from msaas.web import describe_error, from_state

router = APIRouter(prefix="/api/v1/ops/dead-letters")


CommandsDep = Annotated[CommandSender, Depends(from_state("commands"))]
AuditorDep = Annotated[Auditor, Depends(from_state("auditor"))]


@router.get("")
async def list_dead_letters(
    operator: Operator,  # noqa: ARG001  # whoever it is
    request: Request,
    commands: CommandsDep,
    *,
    state: LetterState = LetterState.OPEN,
    letter_class: Annotated[LetterClass | None, Query(alias="class")] = None,
    topic: Annotated[str | None, Query(max_length=64, pattern=r"^[a-z][a-z0-9_.]*$")] = None,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> LetterPage:
    before = _read_cursor(cursor)
    command = ListDeadLetters(
        state=state,
        letter_class=letter_class,
        topic=topic,
        before_at=before.created_at if before else None,
        before_id=before.job_id if before else None,
        limit=limit,
    )
    answer = await commands.send(command, request.state.correlation_id)
    items = [LetterSummary.model_validate(one) for one in answer["items"]]
    last = PageCursor(items[-1].died_at, items[-1].id) if len(items) == limit else None
    return LetterPage(items=items, next_cursor=last.encode() if last else None)


def _read_cursor(text: str | None) -> PageCursor | None:
    cursor = PageCursor.decode(text) if text is not None else None
    if text is not None and cursor is None:
        error = {"type": "cursor", "loc": ("query", "cursor"), "msg": "Invalid cursor."}
        raise RequestValidationError([error])
    return cursor


@router.get("/{letter_id}")
async def read_dead_letter(
    letter_id: UUID,
    operator: Operator,  # noqa: ARG001  # whoever it is
    request: Request,
    commands: CommandsDep,
) -> Letter:
    command = ShowDeadLetter(letter_id=letter_id)
    answer = await commands.send(command, request.state.correlation_id)
    return Letter.model_validate(answer)


@router.post("/replay", status_code=202)
async def replay_dead_letters(
    body: ReplayRequest,
    operator: Operator,
    request: Request,
    commands: CommandsDep,
    audit: AuditorDep,
) -> LetterOutcomes:
    key = idempotency_key(request)
    command = ReplayDeadLetters(
        replay_id=derive_id(operator.id, key) if key else new_id(),
        letters=tuple(body.ids),
        asked_by=operator.id,
    )
    await audit.record(
        Actor(operator, request.state.correlation_id),
        "dead_letters.replay_asked",
        ("replay", command.replay_id),
        **_letter_details(body),
    )
    answer = await commands.send(command, request.state.correlation_id)
    return _build_outcomes(answer, commands)


@router.post("/resolve", status_code=202)
async def resolve_dead_letters(
    body: ResolveRequest,
    operator: Operator,
    request: Request,
    commands: CommandsDep,
    audit: AuditorDep,
) -> LetterOutcomes:
    command = ResolveDeadLetters(letters=tuple(body.ids), reason=body.reason, asked_by=operator.id)
    target = ("dead_letters", "resolved")
    details = {"reason": body.reason, **_letter_details(body)}
    actor = Actor(operator, request.state.correlation_id)
    await audit.record(actor, "dead_letters.resolve_asked", target, **details)
    answer = await commands.send(command, request.state.correlation_id)
    return _build_outcomes(answer, commands)


def _letter_details(body: ReplayRequest) -> dict[str, list[str]]:
    return {"letters": [str(one) for one in body.ids]}


def _build_outcomes(answer: Mapping[str, Any], commands: CommandSender) -> LetterOutcomes:
    items = [_build_outcome(one, commands) for one in answer["items"]]
    return LetterOutcomes(items=items)


def _build_outcome(item: Mapping[str, Any], commands: CommandSender) -> LetterOutcome:
    if item["ok"]:
        return LetterOutcome.model_validate(item)
    problem = describe_error(commands.parse_refusal(item["problem"]))
    return LetterOutcome(id=item["id"], ok=False, problem=problem)
