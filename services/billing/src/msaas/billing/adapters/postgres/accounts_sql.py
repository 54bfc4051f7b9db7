"""The statements about accounts, subscriptions and invoices."""

from typing import Final

LIST_PRICES: Final = "SELECT * FROM billing.prices WHERE livemode = $1"

FIND_PORTAL: Final = """
SELECT portal_configuration_id FROM billing.catalogue WHERE livemode = $1
"""

INSERT_ACCOUNT: Final = """
INSERT INTO billing.accounts (id, user_id, livemode) VALUES ($1, $2, $3)
ON CONFLICT (user_id) DO NOTHING
"""

# The price of a job is that of the subscription that grants the plan.
_ACCOUNT: Final = """
SELECT a.*, l.amount AS spend_limit, (
  SELECT p.unit_amount FROM billing.subscriptions s
  JOIN billing.prices p ON p.stripe_price_id = s.metered_price_id
  WHERE s.account_id = a.id AND s.status IN ('active', 'trialing', 'past_due') AND s.plan = a.plan
  ORDER BY s.current_period_end DESC LIMIT 1
) AS unit_amount
FROM billing.accounts a LEFT JOIN billing.spend_limits l ON l.account_id = a.id
"""

FIND_ACCOUNT: Final = f"{_ACCOUNT} WHERE a.user_id = $1 OR a.stripe_customer_id = $2"

GET_ACCOUNT: Final = f"{_ACCOUNT} WHERE a.id = $1"

LOCK_ACCOUNT: Final = f"{_ACCOUNT} WHERE a.id = $1 FOR NO KEY UPDATE OF a"

LIST_PAGE: Final = f"{_ACCOUNT} WHERE a.id > $1 ORDER BY a.id LIMIT $2"

LINK_CUSTOMER: Final = """
UPDATE billing.accounts SET stripe_customer_id = $2
WHERE id = $1 AND stripe_customer_id IS NULL
"""

LIST_SUBSCRIPTIONS: Final = """
SELECT * FROM billing.subscriptions WHERE account_id = $1 ORDER BY started_at
"""

LIST_DUE: Final = """
SELECT user_id FROM billing.accounts
WHERE next_look_at <= now() AND user_id IS NOT NULL
ORDER BY next_look_at LIMIT $1
"""

# The published version is drawn under the row's lock, so that it only grows.
CHANGE_ACCOUNT: Final = """
UPDATE billing.accounts SET
  fetched_version = $2, published_version = nextval('billing.fetch_versions'), plan = $3,
  status = $4, period_start = $5, period_end = $6, next_plan = $7, past_due_since = $8,
  next_look_at = $9, fetched_at = clock_timestamp()
WHERE id = $1
"""

FLAG_ACCOUNT: Final = """
UPDATE billing.accounts SET
  disputed_at = CASE WHEN $2 THEN coalesce(disputed_at, clock_timestamp()) ELSE disputed_at END,
  customer_deleted_at = CASE
    WHEN $3 THEN coalesce(customer_deleted_at, clock_timestamp()) ELSE customer_deleted_at
  END
WHERE id = $1
"""

STORE_SUBSCRIPTION: Final = """
INSERT INTO billing.subscriptions (
  stripe_subscription_id, account_id, user_id, plan, status, current_period_start,
  current_period_end, cancel_at_period_end, cancel_at, canceled_at, ended_at, trial_end,
  collection_paused, next_plan, schedule_id, flat_item_id, flat_price_id, metered_item_id,
  metered_price_id, latest_invoice_id, started_at, fetched_version
) VALUES (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
  $22
)
ON CONFLICT (stripe_subscription_id) DO UPDATE SET
  account_id = excluded.account_id, user_id = excluded.user_id, plan = excluded.plan,
  status = excluded.status, current_period_start = excluded.current_period_start,
  current_period_end = excluded.current_period_end,
  cancel_at_period_end = excluded.cancel_at_period_end, cancel_at = excluded.cancel_at,
  canceled_at = excluded.canceled_at, ended_at = excluded.ended_at, trial_end = excluded.trial_end,
  collection_paused = excluded.collection_paused, next_plan = excluded.next_plan,
  schedule_id = excluded.schedule_id, flat_item_id = excluded.flat_item_id,
  flat_price_id = excluded.flat_price_id, metered_item_id = excluded.metered_item_id,
  metered_price_id = excluded.metered_price_id, latest_invoice_id = excluded.latest_invoice_id,
  fetched_version = excluded.fetched_version, updated_at = clock_timestamp()
WHERE subscriptions.fetched_version < excluded.fetched_version
"""

FINISH_EVENTS: Final = """
UPDATE billing.stripe_events SET
  state = 'APPLIED', outcome = 'applied', next_attempt_at = NULL, finished_at = clock_timestamp(),
  error = NULL
WHERE event_id = ANY($1::text[]) AND state = 'RECEIVED'
"""

# An invoice is proved once it is final.
STORE_INVOICE: Final = """
INSERT INTO billing.invoices (
  stripe_invoice_id, account_id, user_id, stripe_subscription_id, number, status, currency, total,
  amount_due, amount_paid, amount_remaining, billing_reason, attempt_count, next_payment_attempt,
  period_start, period_end, finalized_at, paid_at, hosted_invoice_url, fetched_version, created_at,
  prove_at
) VALUES (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
  CASE WHEN $17::timestamptz IS NOT NULL THEN clock_timestamp() END
)
ON CONFLICT (stripe_invoice_id) DO UPDATE SET
  stripe_subscription_id = excluded.stripe_subscription_id, number = excluded.number,
  status = excluded.status, total = excluded.total, amount_due = excluded.amount_due,
  amount_paid = excluded.amount_paid, amount_remaining = excluded.amount_remaining,
  billing_reason = excluded.billing_reason, attempt_count = excluded.attempt_count,
  next_payment_attempt = excluded.next_payment_attempt, finalized_at = excluded.finalized_at,
  paid_at = excluded.paid_at, hosted_invoice_url = excluded.hosted_invoice_url,
  fetched_version = excluded.fetched_version, updated_at = clock_timestamp(),
  prove_at = CASE
    WHEN invoices.finalized_at IS NULL THEN excluded.prove_at ELSE invoices.prove_at
  END
WHERE invoices.fetched_version < excluded.fetched_version
RETURNING stripe_invoice_id
"""

STORE_LINE: Final = """
INSERT INTO billing.invoice_lines (
  stripe_invoice_id, line_id, user_id, description, amount, quantity, unit_amount, price_id,
  subscription_item_id, is_proration, period_start, period_end, is_metered
)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, coalesce(
  (SELECT kind = 'metered' FROM billing.prices WHERE stripe_price_id = $8), false
)
"""
