"""From a message to the stream writes that carry it: grants, keys, headers and retention."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from msaas.contracts import (
    Entry,
    Message,
    OnFull,
    Reply,
    ReplyProblem,
    Topic,
    TopicKind,
    encode,
    get_topic,
    is_reply_key,
)
from msaas.kernel import Clock, MsaasError, SystemClock, new_id
from msaas.messaging.errors import GrantRefused, TopicFull, WireFull
from msaas.messaging.group_commit import GroupCommit
from msaas.messaging.wire import RawEntry, Source, Wire, Write

REPLY_WINDOW = timedelta(seconds=60)
DEPTH_TRUSTED_SECONDS = 0.25
LET_GO = (OnFull.SKIP, OnFull.DROP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message on its way to a topic, or to the reply stream of whoever asked."""

    message: Message
    topic: str | None = None
    reply_to: str | None = None
    correlation_id: str
    traceparent: str | None = None
    id: UUID | None = None
    ttl_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it reached a handler, with the way to answer it."""

    raw: RawEntry
    entry: Entry[Message]

    @property
    def entry_id(self) -> str:
        return self.raw.entry_id

    @property
    def message(self) -> Message:
        return self.entry.message

    def emit(self, topic: str, message: Message, *, id: UUID | None = None) -> Outgoing:  # noqa: A002  # the wire's word
        """Build a message that this one caused."""
        return Outgoing(
            message=message,
            topic=topic,
            id=id,
            correlation_id=self.entry.correlation_id,
            traceparent=self.entry.traceparent,
        )

    def accept(self, **data: object) -> list[Outgoing]:
        """Answer yes; nothing where nobody waits."""
        return self._answer(Reply(command_id=self.entry.id, ok=True, data=dict(data)))

    def refuse(self, error: MsaasError) -> list[Outgoing]:
        problem = ReplyProblem(
            code=error.code,
            detail=error.safe_message,
            retryable=error.retryable,
            context=dict(error.context),
        )
        return self._answer(Reply(command_id=self.entry.id, ok=False, problem=problem))

    def _answer(self, reply: Reply) -> list[Outgoing]:
        if self.entry.reply_to is None:
            return []
        return [
            Outgoing(
                message=reply,
                reply_to=self.entry.reply_to,
                correlation_id=self.entry.correlation_id,
                traceparent=self.entry.traceparent,
            )
        ]


class Outbox:
    """Commits messages for one process: only granted topics, and no full one against its rule."""

    def __init__(
        self,
        wire: Wire,
        process: str,
        environment: str,
        topics: Iterable[str] = (),
        *,
        clock: Clock | None = None,
    ) -> None:
        self._wire = wire
        self._commits = GroupCommit(wire)
        self._environment = environment
        self._clock = clock or SystemClock()
        granted = [_granted(process, get_topic(name)) for name in topics]
        self._routes = {topic.name: (topic, topic.keys(environment)) for topic in granted}
        self._depths: dict[str, tuple[int, float]] = {}

    async def commit(
        self, outgoing: Iterable[Outgoing], source: Source | None = None, done: Sequence[str] = ()
    ) -> Sequence[str]:
        """Append what the topics admit and acknowledge `done`, all or nothing.

        Without memory the wire takes no facts, beats or replies, but lets consumers make room.
        """
        admitted = [one for one in outgoing if await self.admits(one)]
        try:
            return await self.append(
                [w for one in admitted for w in self.writes(one)], source, done
            )
        except WireFull:
            kept = [one for one in admitted if one.topic and one.message.on_full not in LET_GO]
            if len(kept) == len(admitted):
                raise
            return await self.append([w for one in kept for w in self.writes(one)], source, done)

    async def append(
        self, writes: Sequence[Write], source: Source | None = None, done: Sequence[str] = ()
    ) -> Sequence[str]:
        committed = await self._commits.commit(writes, source, done)
        seen_at = self._clock.monotonic()
        self._depths |= {key: (depth, seen_at) for key, depth in committed.depths.items()}
        return committed.entry_ids

    async def close(self) -> None:
        await self._commits.close()

    @property
    def backlog(self) -> int:
        return self._commits.backlog

    async def admits(self, outgoing: Outgoing) -> bool:
        """Tell whether there is room; a full topic refuses commands and lets go of the rest."""
        on_full = outgoing.message.on_full
        if outgoing.topic is None or on_full is OnFull.ADMIT:
            return True
        topic, keys = self._route(outgoing.topic)
        for key in keys:
            if topic.bound is not None and await self._depth(key, topic.bound) >= topic.bound:
                if on_full is OnFull.REFUSE:
                    raise TopicFull(topic=topic.name, retry_after=1)
                return False
        return True

    def writes(self, outgoing: Outgoing) -> list[Write]:
        fields = encode(
            outgoing.message,
            id=outgoing.id or new_id(),
            correlation_id=outgoing.correlation_id,
            ts=self._clock.now(),
            traceparent=outgoing.traceparent,
            reply_to=outgoing.reply_to if outgoing.topic else None,
            ttl_ms=outgoing.ttl_ms,
        )
        if outgoing.topic is None:
            if not is_reply_key(self._environment, outgoing.reply_to or ""):
                raise GrantRefused("A reply goes to a reply stream and nowhere else.")
            return [Write(str(outgoing.reply_to), fields, REPLY_WINDOW, expires=True)]
        topic, keys = self._route(outgoing.topic)
        if type(outgoing.message) not in topic.messages:
            raise GrantRefused(f"{topic.name} does not carry {type(outgoing.message).__name__}.")
        return [
            Write(key, fields, window=topic.retention, bounded=topic.bound is not None)
            for key in keys
        ]

    def _route(self, name: str) -> tuple[Topic, Sequence[str]]:
        route = self._routes.get(name)
        if route is None:
            raise GrantRefused(f"This process did not ask to produce to {name}.")
        return route

    async def _depth(self, key: str, bound: int) -> int:
        """Recall the depth that our own writes reported; only a full stream is asked again."""
        depth, seen_at = self._depths.get(key, (0, 0.0))
        if depth >= bound and self._clock.monotonic() - seen_at > DEPTH_TRUSTED_SECONDS:
            depth = await self._wire.depth(key)
            self._depths[key] = (depth, self._clock.monotonic())
        return depth


def _granted(process: str, topic: Topic) -> Topic:
    if topic.kind is TopicKind.REPLY or process not in topic.producers:
        raise GrantRefused(f"The registry does not let {process} produce to {topic.name}.")
    return topic
