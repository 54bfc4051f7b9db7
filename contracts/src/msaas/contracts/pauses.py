"""What keeps all jobs of a task type waiting for a while."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from msaas.contracts.message import Message, OnFull
from msaas.contracts.text import Identifier, ShortText, Timestamp


class PauseReason(StrEnum):
    FLAG = "flag"  # somebody switched it off, until somebody switches it on
    CIRCUIT = "circuit"  # what its workers need is failing; ends by itself


class PauseTask(Message):
    """Hands out no more jobs of the type; those under way go on."""

    on_full: ClassVar = OnFull.REFUSE

    task_type: Identifier
    note: ShortText | None = None


class ResumeTask(Message):
    """Ends a pause, whoever began it."""

    on_full: ClassVar = OnFull.REFUSE

    task_type: Identifier


class CircuitOpened(Message):
    """A worker's news: until then whatever it is given of this type will fail.

    Dropped on a full topic: the next run that fails says it again.
    """

    on_full: ClassVar = OnFull.DROP

    task_type: Identifier
    target: Annotated[str, Field(min_length=1, max_length=100)]
    until: Timestamp
