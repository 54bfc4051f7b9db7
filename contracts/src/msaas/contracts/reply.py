"""The reply to a command, matched to it by the command's id."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, TypeAdapter, model_validator

from msaas.contracts.message import Message, OnFull, ValueObject
from msaas.contracts.text import ErrorText, Identifier, JsonObject

_ANY_ADAPTER = TypeAdapter[Any](Any)


def _to_json(value: object) -> object:
    """Convert ids and times to JSON."""
    return _ANY_ADAPTER.dump_python(value, mode="json", fallback=str)


ReplyData = Annotated[JsonObject, BeforeValidator(_to_json)]


class ReplyProblem(ValueObject):
    code: Identifier
    detail: ErrorText
    retryable: bool
    context: ReplyData = Field(default_factory=dict[str, Any])


class Reply(Message, on_full=OnFull.ADMIT):
    command_id: UUID
    ok: bool
    data: ReplyData = Field(default_factory=dict[str, Any])
    problem: ReplyProblem | None = None

    @model_validator(mode="after")
    def _explains_a_refusal(self) -> Self:
        if self.ok != (self.problem is None):
            raise ValueError("a refusal has a problem and an acceptance has none")
        return self
