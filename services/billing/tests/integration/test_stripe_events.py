"""Events of Stripe: stored once, applied once, whatever their order and whoever dies meanwhile."""

import random
from dataclasses import replace
from typing import Literal
from uuid import uuid4

import pytest
from services.billing.tests.conftest import RULES
from services.billing.tests.support import Billing, MakeBilling

from msaas.billing.application.apply_stripe_events import MAX_ATTEMPTS
from msaas.billing.application.ports import StripeEvent
from msaas.billing.bootstrap import Parts
from msaas.contracts import Plan
from msaas.testing import Crash, with_crash

SNAPSHOT = """
SELECT
  (SELECT array_agg((plan, status, period_start, period_end, next_plan)::text ORDER BY user_id)
   FROM billing.accounts WHERE user_id = ANY ($1)) AS accounts,
  (SELECT array_agg((plan, status, current_period_end, cancel_at_period_end, ended_at)::text
     ORDER BY stripe_subscription_id)
   FROM billing.subscriptions WHERE user_id = ANY ($1)) AS subscriptions,
  (SELECT array_agg((status, total, amount_paid, number)::text ORDER BY stripe_invoice_id)
   FROM billing.invoices WHERE user_id = ANY ($1)) AS invoices
"""


async def test_a_thousand_shuffled_webhooks_with_duplicates_end_as_those_in_order(
    billing: Billing,
) -> None:
    """Each user has a history of its own; what is stored of it depends on Stripe alone."""
    users = [await billing.add_user() for _ in range(6)]
    for number, user in enumerate(users):
        await billing.subscribe(user)
        if number % 3 == 1:
            await billing.change_plan(user, Plan.ENTERPRISE)
        if number % 3 == 2:
            await billing.change_plan(user, Plan.FREE)
        await billing.apply_all(user)
    before = await billing.rows.fetchrow(SNAPSHOT, users)
    accounts = [await billing.get_account(user) for user in users]
    ours = {account.customer_id for account in accounts}
    known = [event for event in billing.list_all_events() if event.customer_id in ours]
    chosen = random.Random(20261130)  # noqa: S311 - the same in every run
    # New ids for the same history, as if no webhook had arrived yet.
    events = [
        replace(chosen.choice(known), id=f"evt_{uuid4().hex}", payload=None) for _ in range(700)
    ]
    deliveries = [*events, *chosen.choices(events, k=300)]
    chosen.shuffle(deliveries)
    for start in range(0, len(deliveries), 100):
        await billing.receive(deliveries[start : start + 100])
    assert await billing.rows.fetchrow(SNAPSHOT, users) == before
    stored = await billing.rows.fetch(
        "SELECT state, count(*) FROM billing.stripe_events WHERE event_id = ANY ($1) GROUP BY 1",
        [event.id for event in events],
    )
    assert sum(row["count"] for row in stored) == 700
    assert {row["state"] for row in stored} <= {"APPLIED", "IGNORED"}
    assert billing.stripe.violations == []


async def test_the_later_fetch_wins_whichever_is_stored_first(
    billing: Billing, parts: Parts
) -> None:
    user = await billing.add_user()
    account = await billing.subscribe(user)
    [subscription] = await parts.accounts.list_subscriptions(account.id)
    held: list[object] = []

    class Delayed:
        """Stores the first fetch only after the second one."""

        def __getattr__(self, name: str) -> object:
            return getattr(parts.accounts, name)

        async def store_fetch(self, fetch: object) -> object:
            held.append(fetch)
            return account

    delayed = type(parts.refresh)(Delayed(), parts.payments, grace=RULES.grace)  # pyright: ignore[reportArgumentType]
    await delayed(account)  # it began first, and saw an active subscription
    billing.sdk.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    later = await parts.refresh(account)
    assert later.state.next_plan is Plan.FREE
    [first] = held
    stored = await parts.accounts.store_fetch(first)  # pyright: ignore[reportArgumentType]
    assert stored.state.next_plan is Plan.FREE
    assert stored.fetched_version == later.fetched_version


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("target", "method"),
    [
        ("inbox", "store"),
        ("inbox", "find"),
        ("accounts", "find"),
        ("accounts", "next_version"),
        ("payments", "list_subscriptions"),
        ("payments", "get_invoice"),
        ("accounts", "store_fetch"),
    ],
)
async def test_a_process_that_dies_at_any_boundary_of_a_webhook_loses_nothing(
    billing: Billing,
    make_billing: MakeBilling,
    target: str,
    method: str,
    when: Literal["before", "after"],
) -> None:
    """Every persisted boundary: after the crash the message is delivered again."""
    user = await billing.add_user()
    await billing.open_checkout(user, Plan.PRO)
    await billing.complete_checkout(user)
    account = await billing.get_account(user)
    events = billing.list_events(str(account.customer_id))
    parts = replace(
        billing.parts, **{target: with_crash(getattr(billing.parts, target), method, when)}
    )
    with pytest.raises(Crash):
        await make_billing(parts).receive(events)
    await billing.receive(events)
    assert (await billing.get_account(user)).state.plan is Plan.PRO
    assert "RECEIVED" not in await billing.describe_events(user)
    sql = "SELECT count(*) FROM billing.invoices WHERE user_id = $1"
    assert await billing.rows.fetchval(sql, user) == 1


async def test_an_outage_of_stripe_postpones_events_and_never_gives_them_up(
    billing: Billing,
) -> None:
    user = await billing.add_user()
    await billing.open_checkout(user, Plan.PRO)
    await billing.complete_checkout(user)
    account = await billing.get_account(user)
    events = billing.list_events(str(account.customer_id))
    await billing.parts.inbox.store(events)
    billing.stripe.control(
        "faults", kind="status", status=503, path="/v1/subscriptions", remaining=1_000
    )
    for _ in range(MAX_ATTEMPTS + 2):
        await billing.apply([event.id for event in events])
    billing.stripe.clear("faults")
    assert "DEAD" not in await billing.describe_events(user)
    assert (await billing.get_account(user)).state.plan is Plan.FREE
    await billing.apply([event.id for event in events])
    assert (await billing.get_account(user)).state.plan is Plan.PRO


async def test_an_event_that_always_fails_is_given_up_and_can_be_replayed(
    billing: Billing, make_billing: MakeBilling
) -> None:
    user = await billing.add_user()
    account = await billing.subscribe(user)
    event = billing.list_events(str(account.customer_id))[0]
    event = replace(event, id=f"evt_{uuid4().hex}")

    class Broken:
        def __getattr__(self, name: str) -> object:
            return getattr(billing.parts.accounts, name)

        async def find(self, **_: object) -> None:
            raise ValueError("a fault of billing")

    broken = make_billing(replace(billing.parts, accounts=Broken()))
    await billing.parts.inbox.store([event])
    for _ in range(MAX_ATTEMPTS):
        await broken.apply([event.id])
    [given_up] = await billing.parts.inbox.find([event.id])
    assert given_up.state == "DEAD"
    assert await billing.parts.inbox.reopen(event.id)
    await billing.apply([event.id])
    [replayed] = await billing.parts.inbox.find([event.id])
    assert replayed.state == "APPLIED"


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"type": "customer.tax_id.created"}, "unknown_type"),
        ({"livemode": True}, "wrong_livemode"),
        ({"customer_id": None}, "no_customer"),
        ({"customer_id": "cus_of_another_system"}, "unknown_customer"),
        ({"type": "tax.rate.created", "payload": {"total": 2**64}}, "unknown_type"),
        ({"type": "tax.rate.created", "payload": {"name": "\x00"}}, "unknown_type"),
    ],
)
async def test_an_event_that_is_not_ours_is_stored_and_changes_nothing(
    billing: Billing, fields: dict[str, object], outcome: str
) -> None:
    user = await billing.add_user()
    account = await billing.subscribe(user)
    [event, *_] = billing.list_events(str(account.customer_id))
    changed: StripeEvent = replace(event, id=f"evt_{uuid4().hex}", **fields)
    await billing.receive([changed])
    row = await billing.rows.fetchrow(
        "SELECT state, outcome FROM billing.stripe_events WHERE event_id = $1", changed.id
    )
    assert row is not None
    assert (row["state"], row["outcome"]) == ("IGNORED", outcome)
    assert await billing.get_account(user) == account


async def test_a_customer_whose_id_was_never_stored_is_found_by_its_metadata(
    billing: Billing,
) -> None:
    user = await billing.add_user()
    await billing.open_checkout(user, Plan.PRO)
    customer_id = (await billing.get_account(user)).customer_id
    await billing.rows.execute(
        "UPDATE billing.accounts SET stripe_customer_id = NULL WHERE user_id = $1", user
    )
    await billing.complete_checkout(user)
    await billing.receive(billing.list_events(str(customer_id)))
    account = await billing.get_account(user)
    assert (account.customer_id, account.state.plan) == (customer_id, Plan.PRO)


async def test_a_deleted_customer_keeps_what_was_paid_for(billing: Billing) -> None:
    user = await billing.add_user()
    account = await billing.subscribe(user)
    billing.sdk.v1.customers.delete(str(account.customer_id))
    await billing.apply_all(user)
    state = (await billing.get_account(user)).state
    assert (state.plan, state.next_plan) == (Plan.PRO, Plan.FREE)
    sql = "SELECT customer_deleted_at FROM billing.accounts WHERE user_id = $1"
    assert await billing.rows.fetchval(sql, user) is not None
