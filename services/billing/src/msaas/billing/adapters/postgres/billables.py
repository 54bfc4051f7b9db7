"""What a preview is computed from: the units of a period, reported or not."""

from typing import Final
from uuid import UUID

from msaas.billing.adapters.postgres.accounts import PostgresAccounts
from msaas.billing.application.preview_invoice import Billable
from msaas.billing.domain.metering import BilledPeriod
from msaas.billing.domain.money import Units
from msaas.billing.domain.subscriptions import find_granting
from msaas.postgres import Database

# A report counts at its meter timestamp; usage in none yet where its report will.
_LIST_UNITS: Final = """
SELECT meter_timestamp AS at, quantity::bigint AS quantity, true AS is_reported
FROM billing.meter_reports
WHERE account_id = $1 AND state NOT IN ('REJECTED', 'CANCELLED')
  AND meter_timestamp >= $2 AND meter_timestamp < $3
UNION ALL
SELECT e.occurred_at, sum(e.quantity)::bigint, false
FROM billing.usage_events e JOIN billing.usage_chains c USING (subject_id)
WHERE c.account_id = $1 AND e.billing = 'unreported'
GROUP BY e.occurred_at
"""
_FIND_INVOICED: Final = """
SELECT max(l.period_end) FROM billing.invoice_lines l
JOIN billing.invoices i USING (stripe_invoice_id)
WHERE i.stripe_subscription_id = $1 AND l.is_metered AND l.period_end < $2
"""


class PostgresBillables:
    def __init__(self, database: Database, accounts: PostgresAccounts) -> None:
        self._database = database
        self._accounts = accounts

    async def find_billable(self, user_id: UUID) -> Billable | None:
        account = await self._accounts.find(user_id=user_id)
        if account is None:
            return None
        subscription = find_granting(await self._accounts.list_subscriptions(account.id))
        if subscription is None:
            return None
        start, end = subscription.period_start, subscription.period_end
        async with self._database.connection() as connection:
            now = await connection.fetchval("SELECT clock_timestamp()")
            invoiced = await connection.fetchval(_FIND_INVOICED, subscription.id, end)
            rows = await connection.fetch(_LIST_UNITS, account.id, start, end)
        period = BilledPeriod(start=start, end=end)
        return Billable(
            subscription=subscription,
            prices=await self._accounts.get_prices(),
            units=[
                Units(
                    row["at"] if row["is_reported"] else period.bill_at(row["at"], now),
                    row["quantity"],
                )
                for row in rows
            ],
            usage_invoiced_until=invoiced,
            now=now,
        )
