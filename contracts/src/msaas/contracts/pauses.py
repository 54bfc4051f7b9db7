"""Messages that pause and resume the dispatch of a task type."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from msaas.contracts.message import Message, OnFull
from msaas.contracts.text import Identifier, ShortText, Timestamp


class PauseReason(StrEnum):
    FLAG = "flag"  # an operator paused it, until an operator resumes it
    CIRCUIT = "circuit"  # a dependency of its workers fails; ends by itself


class PauseTask(Message, on_full=OnFull.REFUSE):
    """Stops the dispatch of jobs of the type; running jobs continue."""

    task_type: Identifier
    note: ShortText | None = None


class ResumeTask(Message, on_full=OnFull.REFUSE):
    """Ends a pause, whatever its reason."""

    task_type: Identifier


class CircuitOpened(Message, on_full=OnFull.DROP):
    """Sent by a worker: its jobs of this type will fail until `until`.

    Dropped when the topic is full: the next failing run sends it again. Believed only if the run
    is one of this type.
    """

    job_id: UUID | None = None
    fence: UUID | None = None
    task_type: Identifier
    target: Annotated[str, Field(min_length=1, max_length=100)]
    until: Timestamp
