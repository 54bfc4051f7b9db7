"""The message that reports an auditable action to the service that owns the audit log."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from msaas.contracts.message import Message, OnFull
from msaas.contracts.text import Identifier, JsonObject, Text, Timestamp


class ActorKind(StrEnum):
    USER = "user"
    OPERATOR = "operator"
    SYSTEM = "system"  # a timer or a service


class AuditRecorded(Message, on_full=OnFull.SKIP):
    """One action. `audit_id` is the same in each repeat; `details` holds no secret.

    Skipped when the topic is full: the producer stores it and publishes it again.
    """

    audit_id: UUID
    occurred_at: Timestamp
    action: Identifier
    actor_kind: ActorKind
    actor_id: UUID | None = None
    via_key: UUID | None = None
    target_kind: Identifier
    target: Annotated[Text, Field(min_length=1, max_length=200)]
    details: JsonObject = Field(default_factory=dict)
