"""The topic usage.requests: billing asks for entries of usage that it lacks, and for counters."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msaas.contracts import CountUsage, ResendUsage
from msaas.messaging import Delivery, OutgoingMessage

TOPIC: Final = "usage.requests"
MAX_BATCH: Final = 8
"""Each answer is many messages."""


class UsageRequestsHandler:
    def __init__(
        self,
        resend: Callable[[ResendUsage], Awaitable[Sequence[OutgoingMessage]]],
        count: Callable[[CountUsage, str], Awaitable[Sequence[OutgoingMessage]]],
    ) -> None:
        self._resend = resend
        self._count = count

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        return [outgoing for delivery in batch for outgoing in await self._answer(delivery)]

    async def _answer(self, delivery: Delivery) -> Sequence[OutgoingMessage]:
        match delivery.message:
            case ResendUsage() as command:
                return await self._resend(command)
            case CountUsage() as command:
                return await self._count(command, delivery.entry.correlation_id)
            case other:
                raise TypeError(f"{TOPIC} does not carry {other.type_name()}")
