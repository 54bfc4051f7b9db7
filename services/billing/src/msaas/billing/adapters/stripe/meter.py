"""Stripe's meter as the port `Meter`: events, their cancellation, and their sums."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol

import stripe

from msaas.billing.adapters.stripe.client import StripeClient
from msaas.billing.domain.catalogue import METER_EVENT_NAME
from msaas.billing.domain.errors import CatalogueMissing
from msaas.billing.domain.usage import MeterReport

_EXISTS: Final = "already exists with identifier"
_CANCELLED: Final = "already"


class MeterIds(Protocol):
    async def find_meter_id(self) -> str | None: ...


class StripeMeter:
    def __init__(self, client: StripeClient, ids: MeterIds) -> None:
        self._client = client
        self._ids = ids
        self._v1 = client.sdk.v1.billing

    async def report(self, report: MeterReport) -> None:
        """Send without a key of the request: the identifier is what makes it unique.

        A key would return a failed answer again, for as long as Stripe keeps it.
        """
        params: Any = {
            "event_name": METER_EVENT_NAME,
            "identifier": report.identifier,
            "timestamp": int(report.meter_timestamp.timestamp()),
            "payload": {
                "stripe_customer_id": report.stripe_customer_id,
                "value": str(report.quantity),
            },
        }

        async def request() -> None:
            try:
                await self._v1.meter_events.create_async(params)
            except stripe.InvalidRequestError as error:
                if not _says(error, _EXISTS):
                    raise

        await self._client.call("report_usage", request)

    async def cancel(self, identifier: str) -> None:
        params: Any = {
            "event_name": METER_EVENT_NAME,
            "type": "cancel",
            "cancel": {"identifier": identifier},
        }

        async def request() -> None:
            try:
                await self._v1.meter_event_adjustments.create_async(params)
            except stripe.InvalidRequestError as error:
                if not _says(error, _CANCELLED):
                    raise

        await self._client.call("cancel_usage", request)

    async def read_sum(self, customer_id: str, start: datetime, end: datetime) -> int:
        meter_id = await self._ids.find_meter_id()
        if meter_id is None:
            raise CatalogueMissing
        params: Any = {
            "customer": customer_id,
            "start_time": int(start.timestamp()),
            "end_time": int(end.timestamp()),
        }
        page = await self._client.call(
            "read_usage", lambda: self._v1.meters.event_summaries.list_async(meter_id, params)
        )
        return _sum(page.data)


def _sum(summaries: Sequence[stripe.billing.MeterEventSummary]) -> int:
    return int(sum(Decimal(str(summary.aggregated_value)) for summary in summaries))


def _says(error: stripe.InvalidRequestError, words: str) -> bool:
    return words in (error.user_message or "")
