"""The catalogue in Postgres: prices are added, and only which of them are offered changes."""

from collections.abc import Sequence
from typing import Final

from msaas.billing.application.set_up_catalogue import CatalogueRow
from msaas.billing.domain.catalogue import METER_EVENT_NAME, Price
from msaas.postgres import Database

_WITHDRAW: Final = """
UPDATE billing.prices SET is_offered = false
WHERE livemode = $1 AND is_offered AND stripe_price_id <> ALL ($2::text[])
"""
_STORE_PRICE: Final = """
INSERT INTO billing.prices (
  stripe_price_id, plan, kind, lookup_key, product_id, currency, unit_amount, recurring_interval,
  meter_id, livemode, is_offered
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, true)
ON CONFLICT (stripe_price_id) DO UPDATE SET is_offered = true
"""
_STORE_CATALOGUE: Final = """
INSERT INTO billing.catalogue (
  livemode, meter_id, meter_event_name, portal_configuration_id, webhook_endpoint_id, api_version
) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (livemode) DO UPDATE SET
  meter_id = excluded.meter_id, meter_event_name = excluded.meter_event_name,
  portal_configuration_id = excluded.portal_configuration_id,
  webhook_endpoint_id = excluded.webhook_endpoint_id, api_version = excluded.api_version,
  verified_at = clock_timestamp()
"""
_FIND_METER: Final = "SELECT meter_id FROM billing.catalogue WHERE livemode = $1"


class PostgresCatalogue:
    def __init__(self, database: Database, *, livemode: bool, api_version: str) -> None:
        self._database = database
        self._api_version = api_version
        self._livemode = livemode

    async def find_meter_id(self) -> str | None:
        async with self._database.connection() as connection:
            found: str | None = await connection.fetchval(_FIND_METER, self._livemode)
            return found

    async def store(self, prices: Sequence[Price], row: CatalogueRow) -> None:
        async with self._database.transaction() as connection:
            offered = [price.id for price in prices]
            await connection.execute(_WITHDRAW, self._livemode, offered)
            for price in prices:
                await connection.execute(
                    _STORE_PRICE,
                    price.id,
                    price.plan,
                    price.kind,
                    price.lookup_key,
                    price.product_id,
                    price.currency,
                    price.unit_amount,
                    price.interval,
                    price.meter_id,
                    self._livemode,
                )
            await connection.execute(
                _STORE_CATALOGUE,
                self._livemode,
                row.meter_id,
                METER_EVENT_NAME,
                row.portal_configuration_id,
                row.webhook_endpoint_id,
                self._api_version,
            )
