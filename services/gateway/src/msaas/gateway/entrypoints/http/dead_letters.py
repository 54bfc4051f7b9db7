"""Dead letters, for operators: the jobs service owns them and answers commands about them."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from msaas.contracts import (
    LetterClass,
    LetterState,
    ListDeadLetters,
    ReplayDeadLetters,
    ResolveDeadLetters,
    Scope,
    ShowDeadLetter,
)
from msaas.gateway.application.ports import CommandSender
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.gateway.domain.rate_limit_rules import RateLimitCategory
from msaas.gateway.entrypoints.http.dead_letter_models import (
    Letter,
    LetterOutcome,
    LetterOutcomes,
    LetterPage,
    LetterSummary,
    ReplayRequest,
    ResolveRequest,
)
from msaas.gateway.entrypoints.http.dependencies import (
    AuditorDep,
    CommandsDep,
    CorrelationIdDep,
    CurrentActor,
    Cursor,
    IdempotencyKeyDep,
    PageSize,
)
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard
from msaas.kernel import derive_id, new_id
from msaas.web import describe_error

router = APIRouter(prefix="/api/v1/ops/dead-letters")
_OPERATOR_READS = guard(RouteRule(scope=Scope.OPS, operators_only=True))
_OPERATOR_WRITES = guard(
    RouteRule(scope=Scope.OPS, operators_only=True, rate_limit=RateLimitCategory.CRITICAL)
)


@router.get("", dependencies=[_OPERATOR_READS])
async def list_dead_letters(
    correlation_id: CorrelationIdDep,
    commands: CommandsDep,
    before: Cursor,
    *,
    state: LetterState = LetterState.OPEN,
    letter_class: Annotated[LetterClass | None, Query(alias="class")] = None,
    topic: Annotated[str | None, Query(max_length=64, pattern=r"^[a-z][a-z0-9_.]*$")] = None,
    limit: PageSize = 20,
) -> LetterPage:
    command = ListDeadLetters(
        state=state,
        letter_class=letter_class,
        topic=topic,
        before_at=before.created_at if before else None,
        before_id=before.id if before else None,
        limit=limit,
    )
    reply = await commands.send(command, correlation_id)
    items = [LetterSummary.model_validate(item) for item in reply["items"]]
    last = PageCursor(items[-1].died_at, items[-1].id) if len(items) == limit else None
    return LetterPage(items=items, next_cursor=last.encode() if last else None)


@router.get("/{letter_id}", dependencies=[_OPERATOR_READS])
async def read_dead_letter(
    letter_id: UUID, correlation_id: CorrelationIdDep, commands: CommandsDep
) -> Letter:
    reply = await commands.send(ShowDeadLetter(letter_id=letter_id), correlation_id)
    return Letter.model_validate(reply)


@router.post("/replay", status_code=202, dependencies=[_OPERATOR_WRITES])
async def replay_dead_letters(
    body: ReplayRequest,
    operator: CurrentActor,
    idempotency_key: IdempotencyKeyDep,
    commands: CommandsDep,
    auditor: AuditorDep,
) -> LetterOutcomes:
    operator_id = operator.user.id
    command = ReplayDeadLetters(
        replay_id=derive_id(operator_id, idempotency_key) if idempotency_key else new_id(),
        letters=tuple(body.ids),
        asked_by=operator_id,
    )
    target = ("replay", command.replay_id)
    await auditor.record(operator, "dead_letters.replay_asked", target, **_describe_targets(body))
    reply = await commands.send(command, operator.correlation_id)
    return _build_outcomes(reply, commands)


@router.post("/resolve", status_code=202, dependencies=[_OPERATOR_WRITES])
async def resolve_dead_letters(
    body: ResolveRequest, operator: CurrentActor, commands: CommandsDep, auditor: AuditorDep
) -> LetterOutcomes:
    command = ResolveDeadLetters(
        letters=tuple(body.ids), reason=body.reason, asked_by=operator.user.id
    )
    target = ("dead_letters", "resolved")
    details = {"reason": body.reason, **_describe_targets(body)}
    await auditor.record(operator, "dead_letters.resolve_asked", target, **details)
    reply = await commands.send(command, operator.correlation_id)
    return _build_outcomes(reply, commands)


def _describe_targets(body: ReplayRequest) -> dict[str, list[str]]:
    return {"letters": [str(letter_id) for letter_id in body.ids]}


def _build_outcomes(reply: Mapping[str, Any], commands: CommandSender) -> LetterOutcomes:
    return LetterOutcomes(items=[_build_outcome(item, commands) for item in reply["items"]])


def _build_outcome(item: Mapping[str, Any], commands: CommandSender) -> LetterOutcome:
    if item["ok"]:
        return LetterOutcome.model_validate(item)
    problem = describe_error(commands.parse_refusal(item["problem"]))
    return LetterOutcome(id=item["id"], ok=False, problem=problem)
