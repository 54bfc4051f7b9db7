"""Takes the usage that jobs has recorded: each entry is stored for ever, and its chain followed."""

from collections.abc import Sequence

from msaas.billing.application.metering_ports import UsageStore
from msaas.billing.domain.errors import UsageRefused
from msaas.billing.domain.metering import is_genuine
from msaas.billing.domain.usage import UsageEvent
from msaas.telemetry import Metrics, get_logger


class TakeUsage:
    """Entries may come in any order and more than once; only an unbroken chain is reported."""

    def __init__(self, store: UsageStore, metrics: Metrics) -> None:
        self._store = store
        self._log = get_logger()
        self._entries_total = metrics.counter(
            "billing_usage_entries_total", "Entries of usage chains taken.", ("outcome",)
        )

    async def __call__(self, events: Sequence[UsageEvent]) -> None:
        for event in events:
            if not is_genuine(event):
                self._entries_total.labels("refused").inc()
                raise UsageRefused(subject_id=str(event.subject_id), seq=event.seq)
        waiting = await self._store.take(events)
        self._entries_total.labels("taken").inc(len(events))
        if waiting:
            self._log.info("usage_chains_wait", chains=waiting)
