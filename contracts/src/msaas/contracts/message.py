"""What all messages share: frozen, strict, deaf to unknown fields, and a rule for a full topic."""

from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class ValueObject(BaseModel):
    """A part of a message; within a version it only ever gains optional fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)


class OnFull(StrEnum):
    """What becomes of a message when its topic is full."""

    REFUSE = "refuse"  # a command from outside: 503 with Retry-After
    SKIP = "skip"  # a fact that its owner publishes again
    DROP = "drop"  # a beat or progress: the next one says it anew
    ADMIT = "admit"  # the end of a run: never let go


class Message(ValueObject):
    """Goes over the wire under its class name."""

    v: ClassVar[int] = 1
    on_full: ClassVar[OnFull]
    dead_letter_fields: ClassVar[frozenset[str] | None] = None
    """The only fields that a dead letter may keep; None keeps all."""

    @classmethod
    def type_name(cls) -> str:
        return cls.__name__
