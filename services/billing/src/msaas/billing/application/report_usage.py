"""Reports usage to the meter: assigned once, committed before it is sent, sent until answered."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msaas.billing.application.metering_ports import Meter, ReportStore
from msaas.billing.domain.errors import StripeRefused, StripeUnavailable
from msaas.billing.domain.metering import (
    RESEND_WINDOW,
    SETTLE_AFTER,
    Settlement,
    plan_reports,
    settle,
    window_of,
)
from msaas.billing.domain.usage import MeterReport, ReportState
from msaas.kernel import CircuitOpen, RetryPolicy
from msaas.telemetry import Metrics, get_logger, span

RETRY: Final = RetryPolicy(base=10.0, cap=600.0, attempts=None)
SETTLE_PAUSE: Final = 3_600.0
MIN_DELAY: Final = 1.0


class ReportUsage:
    """One subject at a time; whatever is committed, the next call goes on from there."""

    def __init__(self, store: ReportStore, meter: Meter, metrics: Metrics) -> None:
        self._store = store
        self._meter = meter
        self._log = get_logger()
        self._reports_total = metrics.counter(
            "billing_usage_reports_total", "Attempts to report usage.", ("outcome",)
        )

    async def __call__(self, subject_id: UUID) -> None:
        with span("billing.usage.report"):
            await self._store.assign(subject_id, plan_reports)
            for report in await self._store.list_open(subject_id):
                if not await self._advance(report):
                    return

    async def take_unpublished(
        self, subject_id: UUID, *, repeats: bool = False
    ) -> Sequence[MeterReport]:
        return await self._store.take_unpublished(subject_id, repeats=repeats)

    async def _advance(self, report: MeterReport) -> bool:
        """Return whether the subject's next report may be sent."""
        begun = await self._store.begin_attempt(report.id, RESEND_WINDOW)
        if begun is None:
            return False
        try:
            if begun.state is ReportState.AMBIGUOUS:
                return await self._settle(begun)
            await self._send(begun)
        except (StripeUnavailable, CircuitOpen) as error:
            await self._postpone(begun, RETRY.delay(begun.attempts) + MIN_DELAY, error.code)
            return False
        except StripeRefused as error:
            await self._finish(begun, ReportState.REJECTED, str(error.context.get("reason")))
            self._log.error("usage_report_refused", report_id=str(begun.id))
        return True

    async def _send(self, report: MeterReport) -> None:
        await self._meter.report(report)
        await self._finish(report, ReportState.REPORTED)

    async def _settle(self, report: MeterReport) -> bool:
        """Ask the summaries whether a report arrived whose identifier may be forgotten."""
        now = await self._store.get_now()
        if not _is_settled(report, now):
            await self._postpone(report, SETTLE_PAUSE / 4, "summaries_incomplete")
            return False
        start, end = window_of(report.meter_timestamp)
        weights = await self._store.weigh_window(report, start, end)
        at_stripe = await self._meter.read_sum(report.stripe_customer_id, start, end)
        match settle(at_stripe, weights.known, report.quantity, weights.others):
            case Settlement.RECEIVED:
                await self._finish(report, ReportState.REPORTED)
            case Settlement.ABSENT:
                anew = await self._store.restart(report.id)
                if anew is None:
                    return False
                await self._send(anew)
            case Settlement.UNDECIDED:
                self._log.error("usage_report_undecided", report_id=str(report.id))
                await self._postpone(report, SETTLE_PAUSE, "summaries_disagree")
                return False
        return True

    async def _finish(
        self, report: MeterReport, state: ReportState, error: str | None = None
    ) -> None:
        await self._store.finish(report.id, state, error)
        self._reports_total.labels(state.lower()).inc()

    async def _postpone(self, report: MeterReport, delay: float, error: str) -> None:
        await self._store.postpone(report.id, delay, error)
        self._reports_total.labels("postponed").inc()


def _is_settled(report: MeterReport, now: datetime) -> bool:
    return report.last_sent_at is None or report.last_sent_at <= now - SETTLE_AFTER
