"""Asking an owner to do something, and awaiting its word that it is committed."""

import asyncio
from dataclasses import replace
from uuid import UUID

from msaas.contracts import Message, Reply, Unreadable, decode, get_topic, reply_key
from msaas.kernel import CommandTimeout, DependencyUnavailable, Overloaded, new_id
from msaas.messaging.loop import Loop, Station
from msaas.streams import CommandRefused, Outgoing

SENDS_PER_CALL = 3


class CommandClient(Loop):
    """One reply stream for the process; answers are matched on the command's own id."""

    def __init__(self, station: Station) -> None:
        super().__init__(station)
        self._key = reply_key(station.environment, station.consumer)
        self._replies = get_topic("replies")
        self._positions = {self._key: "0-0"}
        self._asked: dict[UUID, asyncio.Future[Reply]] = {}

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
        outgoing = Outgoing(
            message=command,
            topic=topic,
            id=(command_id := new_id()),
            reply_to=self._key,
            correlation_id=correlation_id,
            traceparent=traceparent,
        )
        answer = self._asked[command_id] = asyncio.get_running_loop().create_future()
        try:
            reply = await self._send_until(answer, outgoing, ttl)
        finally:
            del self._asked[command_id]
        if reply.problem is not None:
            raise CommandRefused(reply.problem)
        return reply

    async def _send_until(
        self, answer: asyncio.Future[Reply], outgoing: Outgoing, ttl: float
    ) -> Reply:
        clock = self._station.clock
        over = deadline = clock.monotonic() + ttl
        sent = False
        for _ in range(SENDS_PER_CALL):
            if answer.done() or (left := deadline - clock.monotonic()) <= 0:
                break
            try:
                fresh = replace(outgoing, ttl_ms=max(1, int(left * 1000)))
                await self._station.outbox.send(fresh)
                sent = True
            except (DependencyUnavailable, Overloaded):
                if not sent:
                    raise
            # A slow send arrived late, and its time on the wire began only then.
            over = max(over, clock.monotonic() + left)
            await asyncio.wait({answer}, timeout=min(left, ttl / SENDS_PER_CALL))
        await asyncio.wait({answer}, timeout=max(0.0, over - clock.monotonic()))
        if not answer.done():
            raise CommandTimeout
        return answer.result()

    async def step(self) -> None:
        positions = self._positions  # a new epoch puts others in their place
        found = await self._wire.tail(positions, 500, self._pace.block)
        for raw in found.get(self._key, ()):
            positions[self._key] = raw.entry_id
            try:
                reply = decode(self._replies, raw.fields).message
            except Unreadable as error:
                self._log.error("reply_unreadable", reason=error.reason)
                continue
            if isinstance(reply, Reply):
                asked = self._asked.get(reply.command_id)
                if asked is not None and not asked.done():
                    asked.set_result(reply)

    async def notice_epoch(self, _epoch: str) -> None:
        """Read from the first entry of what may be another wire; an answer counts once anyhow."""
        self._positions = {self._key: "0-0"}
