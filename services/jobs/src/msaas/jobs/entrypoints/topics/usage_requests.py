"""The topic usage.requests: billing asks again for entries of usage that it lacks."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msaas.contracts import ResendUsage
from msaas.messaging import Delivery, OutgoingMessage

TOPIC: Final = "usage.requests"
MAX_BATCH: Final = 8
"""Each answer is many messages."""


class UsageRequestsHandler:
    def __init__(
        self, resend: Callable[[ResendUsage], Awaitable[Sequence[OutgoingMessage]]]
    ) -> None:
        self._resend = resend

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        return [outgoing for delivery in batch for outgoing in await self._answer(delivery)]

    async def _answer(self, delivery: Delivery) -> Sequence[OutgoingMessage]:
        if not isinstance(delivery.message, ResendUsage):
            raise TypeError(f"{TOPIC} does not carry {delivery.message.type_name()}")
        return await self._resend(delivery.message)
