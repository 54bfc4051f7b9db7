"""Sends commands to their owner and waits for the reply that they are committed."""

import asyncio
from dataclasses import replace
from uuid import UUID

from msaas.contracts import DecodeError, Message, Reply, decode, get_topic, reply_key
from msaas.kernel import CommandTimeout, DependencyUnavailable, Overloaded, new_id
from msaas.messaging.loop import BrokerLoop, ConsumerContext
from msaas.streams import CommandRefused, OutgoingMessage

MAX_SENDS_PER_CALL = 3


class CommandClient(BrokerLoop):
    """One reply stream per process; replies are matched by the id of the command."""

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
                await self._context.publisher.send(
                    replace(outgoing, ttl_ms=int(remaining * 1000) or 1)
                )
                sent = True
            except (DependencyUnavailable, Overloaded):
                if not sent:
                    raise
            # After a slow send the ttl of the entry starts late.
            expires_at = max(expires_at, clock.monotonic() + remaining)
            await asyncio.wait({reply_future}, timeout=min(remaining, ttl / MAX_SENDS_PER_CALL))
        await asyncio.wait({reply_future}, timeout=max(0.0, expires_at - clock.monotonic()))
        if not reply_future.done():
            raise CommandTimeout
        return reply_future.result()

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
            if isinstance(reply, Reply):
                call = self._pending_calls.get(reply.command_id)
                if call is not None and not call.done():
                    call.set_result(reply)

    async def on_new_epoch(self, _epoch: str) -> None:
        """Read again from the first entry; a second reply to a command is ignored."""
        self._positions = {self._reply_key: "0-0"}
