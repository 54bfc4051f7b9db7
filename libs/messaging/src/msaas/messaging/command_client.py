"""Asking an owner to do something, and awaiting its word that it is committed."""

import asyncio
from dataclasses import replace
from uuid import UUID

from msaas.contracts import DecodeError, Message, Reply, decode, get_topic, reply_key
from msaas.kernel import CommandTimeout, DependencyUnavailable, Overloaded, new_id
from msaas.messaging.loop import BrokerLoop, ConsumerContext
from msaas.streams import CommandRefused, OutgoingMessage

MAX_SENDS_PER_CALL = 3


class CommandClient(BrokerLoop):
    """One reply stream for the process; answers are matched on the command's own id."""

    def __init__(self, context: ConsumerContext) -> None:
        super().__init__(context)
        self._reply_key = reply_key(context.environment, context.consumer_name)
        self._reply_topic = get_topic("replies")
        self._positions = {self._reply_key: "0-0"}
        self._pending_calls: dict[UUID, asyncio.Future[Reply]] = {}

    async def call(
        self,
        topic: str,
        command: Message,
        *,
        ttl: float,
        correlation_id: str,
        traceparent: str | None = None,
    ) -> Reply:
        """Send, and send again under the same id, until answered or until `ttl` seconds are over.

        The owner drops a command whose time is over, so no answer means that nothing more happens.
        """
        outgoing = OutgoingMessage(
            message=command,
            topic=topic,
            id=(command_id := new_id()),
            reply_to=self._reply_key,
            correlation_id=correlation_id,
            traceparent=traceparent,
        )
        reply_future = self._pending_calls[command_id] = asyncio.get_running_loop().create_future()
        try:
            reply = await self._send_until_answered(reply_future, outgoing, ttl)
        finally:
            del self._pending_calls[command_id]
        if reply.problem is not None:
            raise CommandRefused(reply.problem)
        return reply

    async def _send_until_answered(
        self, reply_future: asyncio.Future[Reply], outgoing: OutgoingMessage, ttl: float
    ) -> Reply:
        clock = self._context.clock
        expires_at = deadline = clock.monotonic() + ttl
        sent = False
        for _ in range(MAX_SENDS_PER_CALL):
            if reply_future.done() or (remaining := deadline - clock.monotonic()) <= 0:
                break
            try:
                attempt = replace(outgoing, ttl_ms=max(1, int(remaining * 1000)))
                await self._context.publisher.send(attempt)
                sent = True
            except (DependencyUnavailable, Overloaded):
                if not sent:
                    raise
            # A slow send arrived late, and its time on the wire began only then.
            expires_at = max(expires_at, clock.monotonic() + remaining)
            await asyncio.wait({reply_future}, timeout=min(remaining, ttl / MAX_SENDS_PER_CALL))
        await asyncio.wait({reply_future}, timeout=max(0.0, expires_at - clock.monotonic()))
        if not reply_future.done():
            raise CommandTimeout
        return reply_future.result()

    async def step(self) -> None:
        positions = self._positions  # a new epoch puts others in their place
        found = await self._broker.tail(positions, 500, self._timings.block_timeout)
        for raw in found.get(self._reply_key, ()):
            positions[self._reply_key] = raw.entry_id
            try:
                reply = decode(self._reply_topic, raw.fields).message
            except DecodeError as error:
                self._log.error("reply_unreadable", reason=error.reason)
                continue
            if isinstance(reply, Reply):
                reply_future = self._pending_calls.get(reply.command_id)
                if reply_future is not None and not reply_future.done():
                    reply_future.set_result(reply)

    async def on_new_epoch(self, _epoch: str) -> None:
        """Read from the first entry of what may be another wire; an answer counts once anyhow."""
        self._positions = {self._reply_key: "0-0"}
