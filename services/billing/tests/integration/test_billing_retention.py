"""What Stripe sent is forgotten after a month, and that it was sent never."""

from datetime import timedelta
from uuid import uuid4

from services.billing.tests.support import Billing

from msaas.billing.bootstrap import build_retention
from msaas.contracts import Plan
from msaas.telemetry import Metrics


async def test_old_payloads_and_requests_go_and_their_events_stay(billing: Billing) -> None:
    old, recent = await billing.add_user(), await billing.add_user()
    for user in (old, recent):
        await billing.open_checkout(user, Plan.PRO, uuid4().hex)
        await billing.complete_checkout(user)
        await billing.apply_all(user)
    accounts = {user: await billing.get_account(user) for user in (old, recent)}
    month = timedelta(days=31)
    await billing.rows.execute(
        "UPDATE billing.stripe_events SET received_at = received_at - $2::interval"
        " WHERE stripe_customer_id = $1",
        *(accounts[old].customer_id, month),
    )
    await billing.rows.execute(
        "UPDATE billing.requests SET expires_at = expires_at - $2::interval WHERE user_id = $1",
        *(old, month),
    )
    dead = await billing.rows.fetchval(
        "UPDATE billing.stripe_events SET state = 'DEAD' WHERE event_id = ("
        " SELECT event_id FROM billing.stripe_events WHERE stripe_customer_id = $1 LIMIT 1"
        ") RETURNING event_id",
        accounts[old].customer_id,
    )
    await build_retention(billing.parts.database, Metrics("billing", "test")).run()
    for user in (old, recent):
        rows = await billing.rows.fetch(
            "SELECT event_id, payload IS NULL AS is_forgotten FROM billing.stripe_events"
            " WHERE stripe_customer_id = $1",
            accounts[user].customer_id,
        )
        forgotten = {row["event_id"] for row in rows if row["is_forgotten"]}
        assert forgotten == ({row["event_id"] for row in rows} - {dead} if user == old else set())
        kept = await billing.rows.fetchval(
            "SELECT count(*) FROM billing.requests WHERE user_id = $1", user
        )
        assert kept == (0 if user == old else 1)
    again = billing.list_events(str(accounts[old].customer_id))
    assert await billing.parts.inbox.store(again) == []  # a duplicate after a month
