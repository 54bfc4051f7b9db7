"""A message to publish, and a message as it was delivered, with the ways to answer it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from msaas.contracts import Entry, Message, Reply, ReplyProblem
from msaas.kernel import MsaasError
from msaas.streams.broker import RawEntry, entry_timestamp_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message for a topic, or for the reply stream of the caller."""

    message: Message
    topic: str | None = None
    reply_to: str | None = None
    correlation_id: str
    traceparent: str | None = None
    id: UUID | None = None
    ttl_ms: int | None = None
    entry_id: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as a handler receives it.

    `has_expired`: it was delivered before, and its sender no longer waits. What it did is repeated;
    nothing new is begun.
    """

    raw: RawEntry
    entry: Entry[Message]
    has_expired: bool = False

    @property
    def is_redelivery(self) -> bool:
        return self.raw.delivery_count > 1

    def is_expired(self, now_ms: int) -> bool:
        """Whether its sender no longer waits, by Redis's clock."""
        ttl_ms = self.entry.ttl_ms
        return ttl_ms is not None and entry_timestamp_ms(self.entry_id) + ttl_ms <= now_ms

    @property
    def sent_at(self) -> datetime:
        """The time of the entry by Redis's clock."""
        return datetime.fromtimestamp(entry_timestamp_ms(self.raw.entry_id) / 1000, UTC)

    @property
    def entry_id(self) -> str:
        return self.raw.entry_id

    @property
    def message(self) -> Message:
        return self.entry.message

    def emit(self, topic: str, message: Message, *, id: UUID | None = None) -> OutgoingMessage:  # noqa: A002  # the header's name
        """Build a message that this one caused."""
        return OutgoingMessage(
            message=message,
            topic=topic,
            id=id,
            correlation_id=self.entry.correlation_id,
            traceparent=self.entry.traceparent,
        )

    def reply_success(self, **data: object) -> list[OutgoingMessage]:
        """Answer that the command is committed; empty where no reply was requested."""
        return self._reply(Reply(command_id=self.entry.id, ok=True, data=dict(data)))

    def reply_error(self, error: MsaasError) -> list[OutgoingMessage]:
        problem = ReplyProblem(
            code=error.code,
            detail=error.safe_message,
            retryable=error.retryable,
            context=dict(error.context),
        )
        return self._reply(Reply(command_id=self.entry.id, ok=False, problem=problem))

    def _reply(self, reply: Reply) -> list[OutgoingMessage]:
        if self.entry.reply_to is None:
            return []
        return [replace(self.emit("", reply), topic=None, reply_to=self.entry.reply_to)]
