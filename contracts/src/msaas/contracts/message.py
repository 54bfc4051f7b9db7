"""The base of all messages: frozen, strict, ignoring unknown fields, with an `on_full` rule."""

from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class ValueObject(BaseModel):
    """A part of a message; within a version only optional fields are added."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)


class OnFull(StrEnum):
    """What happens to a message when its topic is full."""

    REFUSE = "refuse"  # a command from outside: 503 with Retry-After
    SKIP = "skip"  # an event that its owner publishes again
    DROP = "drop"  # a heartbeat or progress: the next one replaces it
    ADMIT = "admit"  # the end of a run: never dropped


class Message(ValueObject):
    """A message; `type` in its envelope is the class name.

    A dead letter keeps only `dead_letter_fields`, or all fields where that is None.
    """

    v: ClassVar[int] = 1
    on_full: ClassVar[OnFull]
    dead_letter_fields: ClassVar[frozenset[str] | None] = None

    @classmethod
    def __init_subclass__(
        cls, *, on_full: OnFull | None = None, dead_letter_fields: frozenset[str] | None = None
    ) -> None:
        if on_full is not None:
            cls.on_full = on_full
        cls.dead_letter_fields = dead_letter_fields

    @classmethod
    def type_name(cls) -> str:
        return cls.__name__
