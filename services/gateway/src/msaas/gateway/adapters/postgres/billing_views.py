"""Reads billing's views with the permissions of the user."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msaas.gateway.application.ports import Row
from msaas.postgres import Database

_PRICES: Final = """
SELECT plan, kind, currency, unit_amount, recurring_interval FROM api_v1.prices WHERE is_offered
"""
_SUBSCRIPTION: Final = """
SELECT
  a.plan, a.status, a.period_start, a.period_end, a.next_plan, a.past_due_since,
  a.disputed_at IS NOT NULL AS is_disputed, s.trial_end,
  coalesce(s.cancel_at_period_end, false) AS cancel_at_period_end,
  l.amount AS spend_limit
FROM api_v1.billing_accounts a
LEFT JOIN LATERAL (
  SELECT trial_end, cancel_at_period_end FROM api_v1.subscriptions
  WHERE status IN ('active', 'trialing', 'past_due') AND plan = a.plan
  ORDER BY current_period_end DESC LIMIT 1
) AS s ON true
LEFT JOIN api_v1.spend_limits l ON true
"""


class PostgresBillingViews:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_prices(self, user_id: UUID) -> Sequence[Row]:
        async with self._database.read_as(user_id) as connection:
            return [dict(row) for row in await connection.fetch(_PRICES)]

    async def find_subscription(self, user_id: UUID) -> Row | None:
        async with self._database.read_as(user_id) as connection:
            row = await connection.fetchrow(_SUBSCRIPTION)
        return None if row is None else dict(row)
