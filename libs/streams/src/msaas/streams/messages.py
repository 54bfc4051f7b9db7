"""A message on its way, and a message as it arrived, with the ways to answer it."""

from dataclasses import dataclass
from uuid import UUID

from msaas.contracts import Entry, Message, Reply, ReplyProblem
from msaas.kernel import MsaasError
from msaas.streams.broker import RawEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """Goes to a topic, or to the reply stream of whoever asked."""

    message: Message
    topic: str | None = None
    reply_to: str | None = None
    correlation_id: str
    traceparent: str | None = None
    id: UUID | None = None
    ttl_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it reached a handler."""

    raw: RawEntry
    entry: Entry[Message]

    @property
    def entry_id(self) -> str:
        return self.raw.entry_id

    @property
    def message(self) -> Message:
        return self.entry.message

    def emit(self, topic: str, message: Message, *, id: UUID | None = None) -> OutgoingMessage:  # noqa: A002  # the wire's word
        """Build a message that this one caused."""
        correlation_id, traceparent = self.entry.correlation_id, self.entry.traceparent
        return OutgoingMessage(
            message=message,
            topic=topic,
            id=id,
            correlation_id=correlation_id,
            traceparent=traceparent,
        )

    def reply_success(self, **data: object) -> list[OutgoingMessage]:
        """Answer yes; nothing where nobody waits."""
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
        reply_to, correlation_id = self.entry.reply_to, self.entry.correlation_id
        if reply_to is None:
            return []
        traceparent = self.entry.traceparent
        return [
            OutgoingMessage(
                message=reply,
                reply_to=reply_to,
                correlation_id=correlation_id,
                traceparent=traceparent,
            )
        ]
