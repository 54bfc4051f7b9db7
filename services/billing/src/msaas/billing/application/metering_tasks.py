"""Periodic steps of metering: they ask for missing usage, and for reports that are due."""

from datetime import timedelta
from typing import Final

from msaas.billing.application.cron import COMMANDS, Publisher
from msaas.billing.application.metering_ports import UsageStore
from msaas.contracts import ReportUsage, ResendUsage
from msaas.kernel import new_id
from msaas.telemetry import Metrics, get_logger

REQUESTS: Final = "usage.requests"
GAP_AGE: Final = timedelta(seconds=30)
"""Entries of one subject may come out of order for as long."""

GAP_PAUSE: Final = timedelta(minutes=5)
MAX_GAPS: Final = 200
MAX_SUBJECTS: Final = 500
"""Each is about one call of Stripe, which allows 1,000 a second; the step runs every 5 s."""


class MissingUsageTask:
    def __init__(self, store: UsageStore, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher
        self._log = get_logger()

    async def __call__(self) -> None:
        for gap in await self._store.claim_gaps(GAP_AGE, GAP_PAUSE, MAX_GAPS):
            self._log.warning("usage_missing", subject_id=str(gap.subject_id), seq=gap.first_seq)
            await self._publisher.publish(
                REQUESTS,
                ResendUsage(
                    subject_id=gap.subject_id, first_seq=gap.first_seq, last_seq=gap.last_seq
                ),
                correlation_id=str(new_id()),
            )


class DueUsageTask:
    def __init__(self, store: UsageStore, publisher: Publisher, metrics: Metrics) -> None:
        self._store = store
        self._publisher = publisher
        self._unreported = metrics.gauge(
            "billing_usage_unreported", "Units of paid plans that are in no report yet."
        )
        self._oldest = metrics.gauge(
            "billing_usage_unreported_age_seconds", "Age of the oldest unit that is in no report."
        )

    async def __call__(self) -> None:
        units, age = await self._store.count_unreported()
        self._unreported.set(units)
        self._oldest.set(age)
        for subject_id in await self._store.list_due(MAX_SUBJECTS):
            await self._publisher.publish(
                COMMANDS, ReportUsage(subject_id=subject_id), correlation_id=str(new_id())
            )
