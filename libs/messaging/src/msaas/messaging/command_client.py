"""Sends commands to their owner and waits for the reply that they are committed."""

import asyncio
from dataclasses import dataclass, replace
from uuid import UUID

from msaas.contracts import DecodeError, Message, Reply, decode, get_topic, reply_key
from msaas.kernel import CommandTimeout, DependencyUnavailable, Overloaded, new_id
from msaas.messaging.loop import BrokerLoop, ConsumerContext
from msaas.streams import BrokerUnconfirmed, CommandRefused, OutgoingMessage

MAX_SENDS_PER_CALL = 3


@dataclass(slots=True)
class _PendingCall:
    """A call, and what its copies were answered so far."""

    reply: asyncio.Future[Reply]
    sends: int = 0
    refusals: int = 0

    def settle(self, reply: Reply) -> None:
        """End the call; where another copy may still be carried out, a refusal has to wait."""
        if reply.problem is not None and reply.problem.retryable:
            self.refusals += 1
            if self.refusals < self.sends:
                return
        if not self.reply.done():
            self.reply.set_result(reply)


class CommandClient(BrokerLoop):
    """One reply stream per process; replies are matched by the id of the command."""

    def __init__(self, context: ConsumerContext) -> None:
        super().__init__(context)
        self._reply_key = reply_key(context.environment, context.consumer_name)
        self._reply_topic = get_topic("replies")
        self._positions = {self._reply_key: "0-0"}
        self._pending_calls: dict[UUID, _PendingCall] = {}

    async def call(
        self,
        topic: str,
        command: Message,
        *,
        ttl: float,
        correlation_id: str,
        traceparent: str | None = None,
    ) -> Reply:
        """Send, and resend under the same id, until a reply arrives or `ttl` seconds have passed.

        The owner drops an expired command: after CommandTimeout it is not executed any more.
        """
        outgoing = OutgoingMessage(
            message=command,
            topic=topic,
            id=(command_id := new_id()),
            reply_to=self._reply_key,
            correlation_id=correlation_id,
            traceparent=traceparent,
        )
        pending = _PendingCall(asyncio.get_running_loop().create_future())
        self._pending_calls[command_id] = pending
        try:
            reply = await self._send_until_answered(pending, outgoing, ttl)
        finally:
            del self._pending_calls[command_id]
        if reply.problem is not None:
            raise CommandRefused(reply.problem)
        return reply

    async def _send_until_answered(
        self, pending: _PendingCall, outgoing: OutgoingMessage, ttl: float
    ) -> Reply:
        clock, reply_future = self._context.clock, pending.reply
        expires_at = deadline = clock.monotonic() + ttl
        for _ in range(MAX_SENDS_PER_CALL):
            if reply_future.done() or (remaining := deadline - clock.monotonic()) <= 0:
                break
            pending.sends += 1
            try:
                await self._context.publisher.send(
                    replace(outgoing, ttl_ms=int(remaining * 1000) or 1)
                )
            except (DependencyUnavailable, Overloaded) as error:
                if pending.sends == 1 and not isinstance(error, BrokerUnconfirmed):
                    raise
            # After a slow send the ttl of the entry starts late.
            expires_at = max(expires_at, clock.monotonic() + remaining)
            await asyncio.wait({reply_future}, timeout=min(remaining, ttl / MAX_SENDS_PER_CALL))
        await asyncio.wait({reply_future}, timeout=max(0.0, expires_at - clock.monotonic()))
        if reply_future.done():
            return reply_future.result()
        raise CommandTimeout  # also where one copy was refused: another may be under way

    async def step(self) -> None:
        positions = self._positions  # a new epoch replaces the dict
        found = await self._broker.tail(positions, 500, self._timings.block_timeout)
        for raw in found.get(self._reply_key, ()):
            positions[self._reply_key] = raw.entry_id
            try:
                reply = decode(self._reply_topic, raw.fields).message
            except DecodeError as error:
                self._log.error("reply_unreadable", reason=error.reason)
                continue
            if isinstance(reply, Reply) and (call := self._pending_calls.get(reply.command_id)):
                call.settle(reply)

    async def on_new_epoch(self, _epoch: str) -> None:
        """Read again from the first entry; a second reply to a command is ignored."""
        self._positions = {self._reply_key: "0-0"}
