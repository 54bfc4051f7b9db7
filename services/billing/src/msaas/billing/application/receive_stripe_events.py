"""Stores the events of Stripe; their sender is answered once they are committed."""

from collections.abc import Sequence

from msaas.billing.application.ports import Inbox, StripeEvent
from msaas.billing.domain.errors import EventRefused
from msaas.telemetry import Metrics


class ReceiveStripeEvents:
    def __init__(self, inbox: Inbox, metrics: Metrics, *, livemode: bool, api_version: str) -> None:
        self._inbox = inbox
        self._livemode = livemode
        self._api_version = api_version
        self._received_total = metrics.counter(
            "billing_webhooks_received_total", "Events of Stripe received.", ("outcome",)
        )

    def check(self, event: StripeEvent) -> EventRefused | None:
        """Refuse what this deployment cannot read; thin events carry no version."""
        is_readable = event.is_thin or event.api_version == self._api_version
        if event.livemode == self._livemode and is_readable:
            return None
        self._received_total.labels("refused").inc()
        return EventRefused()

    async def __call__(self, events: Sequence[StripeEvent]) -> None:
        unique = {event.id: event for event in events}
        if not unique:
            return
        new = await self._inbox.store(list(unique.values()))
        self._received_total.labels("stored").inc(len(new))
        self._received_total.labels("duplicate").inc(len(events) - len(new))
