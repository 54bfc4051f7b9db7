"""Compares completed jobs, usage events, units in reports and units at Stripe, by customer.

Completed jobs are the billable ones that were not free. Usage that was corrected counts as what is
left of it. What is on its way is no discrepancy; all else is named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

_CAN_READ: Final = """
SELECT to_regclass('billing.accounts') IS NOT NULL AND (
  rolsuper OR rolbypassrls OR EXISTS (
    SELECT FROM pg_roles reader
    WHERE reader.rolname = 'msaas_backfill' AND pg_has_role(reader.oid, 'USAGE')
  )
) FROM pg_roles WHERE rolname = current_user
"""

_READ: Final = """
SELECT
  a.id AS account_id, a.stripe_customer_id AS customer_id, sold.meter_id, now() AS read_at,
  least(a.created_at, r.since) AS since,
  CASE WHEN a.user_id IS NOT NULL THEN (j.completed + k.applied)::bigint END AS completed,
  (e.events + k.applied)::bigint AS events, e.waiting::bigint AS waiting,
  r.reported::bigint AS reported, r.open::bigint AS open, r.recent::bigint AS recent,
  r.refused::bigint AS refused, k.is_correcting, chain.is_behind
FROM billing.accounts a LEFT JOIN billing.catalogue sold USING (livemode)
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE u.billing IS DISTINCT FROM 'free') AS completed
  FROM jobs.jobs j
  LEFT JOIN billing.usage_events u ON u.job_id = j.id AND u.kind = 'job_completed'
  WHERE j.user_id = a.user_id AND j.status = 'COMPLETED' AND j.billable
) j
CROSS JOIN LATERAL (
  SELECT
    coalesce(sum(u.quantity) FILTER (WHERE u.billing <> 'free'), 0) AS events,
    coalesce(sum(u.quantity) FILTER (WHERE u.billing = 'unreported'), 0) AS waiting
  FROM billing.usage_chains c JOIN billing.usage_events u USING (subject_id)
  WHERE c.account_id = a.id AND u.kind = 'job_completed'
) e
CROSS JOIN LATERAL (
  SELECT
    min(m.meter_timestamp) AS since,
    coalesce(sum(m.quantity) FILTER (WHERE m.state = 'REPORTED'), 0) AS reported,
    coalesce(sum(m.quantity) FILTER (
      WHERE m.state IN ('PENDING', 'SENDING', 'AMBIGUOUS')), 0) AS open,
    coalesce(sum(m.quantity) FILTER (
      WHERE m.state = 'REPORTED' AND m.reported_at > now() - interval '1 hour'), 0) AS recent,
    coalesce(sum(m.quantity) FILTER (WHERE m.state = 'REJECTED'), 0) AS refused
  FROM billing.meter_reports m WHERE m.account_id = a.id
) r
CROSS JOIN LATERAL (
  SELECT
    coalesce(sum(k.quantity) FILTER (WHERE k.state = 'APPLIED'), 0) AS applied,
    coalesce(bool_or(k.state IN ('PENDING', 'SENDING')), false) AS is_correcting
  FROM billing.corrections k
  WHERE k.account_id = a.id AND k.means IN ('unreported', 'meter_adjustment')
) k
CROSS JOIN LATERAL (
  SELECT EXISTS (
    SELECT FROM jobs.subjects s LEFT JOIN billing.usage_chains c USING (subject_id)
    WHERE s.user_id = a.user_id AND s.last_seq > coalesce(c.last_seq, 0)
  ) AS is_behind
) chain
WHERE a.stripe_customer_id IS NOT NULL AND a.customer_deleted_at IS NULL
ORDER BY a.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerUsage:
    """The four numbers of a customer, and what of them is on its way.

    `completed` is None for an erased user, whose jobs are deleted, and `at_stripe` where Stripe was
    not read. A customer that `is_unknown` does not exist at Stripe.
    """

    account_id: UUID
    customer_id: str
    meter_id: str | None
    read_at: datetime
    since: datetime
    completed: int | None
    events: int
    waiting: int
    reported: int
    open: int
    recent: int
    refused: int
    is_correcting: bool
    is_behind: bool
    at_stripe: int | None = None
    is_unknown: bool = False
    is_delayed: bool = False
    """Whether Stripe's sums may lack what came within the last hour."""

    @property
    def is_in_flight(self) -> bool:
        return bool(self.waiting or self.open or self.is_behind or self.is_correcting)

    @property
    def is_equal(self) -> bool:
        """Whether all numbers that were read are the same, with nothing on its way."""
        read = {self.completed, self.events, self.reported, self.at_stripe} - {None}
        return len(read) == 1 and not self.is_in_flight and not any(self.list_problems())

    def list_problems(self) -> Iterator[str]:
        yield from self._compare_events()
        yield from self._compare_reports()
        yield from self._compare_stripe()

    def _compare_events(self) -> Iterator[str]:
        if self.completed is None or self.is_correcting:
            return
        missing = self.completed - self.events
        if missing > 0 and not self.is_behind:
            yield f"{missing} completed jobs have no usage event"
        if missing < 0:
            yield f"{-missing} usage events are of no completed job"

    def _compare_reports(self) -> Iterator[str]:
        held = self.reported + self.open + self.refused
        assigned = self.events - self.waiting
        if held != assigned and not self.is_correcting:
            yield f"reports hold {held} units, their usage events {assigned}"
        if self.refused:
            yield f"Stripe has refused {self.refused} units"

    def _compare_stripe(self) -> Iterator[str]:
        if self.is_unknown:
            yield "Stripe has no such customer"
        if self.at_stripe is None or self.is_correcting:
            return
        excess = self.at_stripe - self.reported - self.open
        if excess > 0:
            yield f"Stripe has {excess} units that were not reported"
        lacking = self.reported - self.at_stripe - (self.recent if self.is_delayed else 0)
        if lacking > 0:
            yield f"Stripe lacks {lacking} units that were reported"


async def read_customers(connection: asyncpg.Connection) -> list[CustomerUsage]:
    """Return the customers as the database has them; none where it hides them from this login."""
    if not await connection.fetchval(_CAN_READ):
        return []
    return [CustomerUsage(**dict(row)) for row in await connection.fetch(_READ)]


def has_problems(customers: Sequence[CustomerUsage]) -> bool:
    return any(problem for each in customers for problem in each.list_problems())


def with_sum(customer: CustomerUsage, at_stripe: int | None, *, delayed: bool) -> CustomerUsage:
    """Return the customer with what Stripe has; None where it does not know the customer."""
    return replace(customer, at_stripe=at_stripe, is_unknown=at_stripe is None, is_delayed=delayed)
