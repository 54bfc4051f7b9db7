"""The messages of billing.commands that timers append about invoices."""

from collections.abc import Awaitable, Callable

from msaas.contracts import ProveInvoice
from msaas.messaging import Delivery, OutgoingMessage


class ProvingHandler:
    """Nobody waits for an answer: what is left to do, the timer asks for again."""

    def __init__(self, prove: Callable[[str], Awaitable[None]]) -> None:
        self._prove = prove

    async def __call__(self, delivery: Delivery, command: ProveInvoice) -> list[OutgoingMessage]:
        await self._prove(command.invoice_id)
        return delivery.reply_success()
