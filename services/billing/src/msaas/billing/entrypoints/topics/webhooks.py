"""The topic billing.webhooks: events of Stripe, stored before their sender is answered."""

from collections.abc import Sequence
from typing import Final

from msaas.billing.application.ports import StripeEvent
from msaas.billing.application.receive_stripe_events import ReceiveStripeEvents
from msaas.billing.domain.stripe_events import EventSource
from msaas.contracts import ApplyStripeEvent, StripeEventReceived
from msaas.messaging import Delivery, OutgoingMessage

TOPIC: Final = "billing.webhooks"
COMMANDS: Final = "billing.commands"


class WebhooksHandler:
    """A whole batch is one transaction; each event is then applied by a message of its own."""

    def __init__(self, receive: ReceiveStripeEvents) -> None:
        self._receive = receive

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        events = [(delivery, _read_event(delivery)) for delivery in batch]
        refused = {delivery.entry_id: self._receive.check(event) for delivery, event in events}
        await self._receive([event for delivery, event in events if not refused[delivery.entry_id]])
        outgoing: list[OutgoingMessage] = []
        for delivery, event in events:
            if refusal := refused[delivery.entry_id]:
                outgoing += delivery.reply_error(refusal)
                continue
            outgoing += delivery.reply_success()
            outgoing.append(delivery.emit(COMMANDS, ApplyStripeEvent(event_id=event.id)))
        return outgoing


def _read_event(delivery: Delivery) -> StripeEvent:
    message = delivery.message
    if not isinstance(message, StripeEventReceived):
        raise TypeError(f"{TOPIC} does not carry {message.type_name()}")
    return StripeEvent(
        id=message.event_id,
        type=message.event_type,
        created=message.created,
        livemode=message.livemode,
        api_version=message.api_version,
        is_thin=message.is_thin,
        object_id=message.object_id,
        customer_id=message.customer_id,
        payload=message.payload,
        source=EventSource.BACKFILL if message.is_backfill else EventSource.WEBHOOK,
        correlation_id=delivery.entry.correlation_id,
        traceparent=delivery.entry.traceparent,
    )
