"""The topic billing.events: subscriptions, and reports and corrections of usage."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msaas.contracts import SubscriptionChanged, UsageReconciled, UsageReported
from msaas.jobs.application.billing_ports import BillingEvent
from msaas.messaging import Delivery, OutgoingMessage

TOPIC: Final = "billing.events"


class BillingHandler:
    def __init__(
        self, apply: Callable[[Sequence[BillingEvent]], Awaitable[Sequence[OutgoingMessage]]]
    ) -> None:
        self._apply = apply

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        return await self._apply([read_event(delivery) for delivery in batch])


def read_event(delivery: Delivery) -> BillingEvent:
    match delivery.message:
        case SubscriptionChanged() | UsageReported() | UsageReconciled() as message:
            return BillingEvent(
                message=message,
                correlation_id=delivery.entry.correlation_id,
                traceparent=delivery.entry.traceparent,
            )
        case other:
            raise TypeError(f"{TOPIC} does not carry {other.type_name()}")
