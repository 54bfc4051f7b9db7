"""From checkout to the end of a subscription, with Stripe's own client on the stand-in."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from services.billing.tests.conftest import WEBHOOK_URL
from services.billing.tests.support import RETURN_URL, Billing

from msaas.billing.adapters.postgres.catalogue import PostgresCatalogue
from msaas.billing.adapters.stripe.catalogue import StripeCatalogueClient
from msaas.billing.adapters.stripe.client import API_VERSION, StripeClient
from msaas.billing.application.manage_subscription import ManageSubscription
from msaas.billing.application.set_up_catalogue import Finding, SetUpCatalogue, SetUpResult
from msaas.billing.bootstrap import Parts
from msaas.billing.domain.catalogue import PriceKind
from msaas.billing.domain.errors import (
    AlreadySubscribed,
    IdempotencyMismatch,
    NotSubscribed,
    PaymentDeclined,
    StripeUnavailable,
)
from msaas.billing.domain.stripe_events import SNAPSHOT_TYPES
from msaas.contracts import ChangePlan, OpenPortal, Plan, SetSpendLimit
from msaas.postgres import Database


async def test_a_completed_checkout_gives_the_plan_and_its_period(billing: Billing) -> None:
    user = await billing.add_user()
    account = await billing.subscribe(user)
    assert (account.state.plan, account.state.status) == (Plan.PRO, "active")
    assert account.state.period_start is not None
    assert account.state.next_plan is None
    assert set(await billing.describe_events(user)) == {"APPLIED", "IGNORED"}
    invoice = await billing.rows.fetchrow(
        "SELECT status, total FROM billing.invoices WHERE user_id = $1", user
    )
    assert invoice is not None
    assert (invoice["status"], invoice["total"]) == ("paid", 2_000)
    assert billing.stripe.violations == []


async def test_only_the_first_subscription_of_a_user_begins_with_a_trial(
    billing: Billing,
) -> None:
    parts = billing.parts
    trying = replace(
        billing,
        manage=ManageSubscription(
            *(parts.accounts, parts.requests, parts.payments, parts.refresh), trial_days=14
        ),
    )
    user = await billing.add_user()
    account = await trying.subscribe(user)
    assert (account.state.plan, account.state.status) == (Plan.PRO, "trialing")
    [first] = await parts.accounts.list_subscriptions(account.id)
    assert first.trial_end is not None
    assert first.period_end == first.trial_end
    billing.sdk.v1.subscriptions.cancel(first.id)
    await trying.open_checkout(user, Plan.PRO)
    await trying.complete_checkout(user)
    await trying.apply_all(user)
    found = await parts.accounts.list_subscriptions(account.id)
    assert sorted(each.trial_end is None for each in found) == [False, True]
    assert billing.stripe.violations == []


async def test_an_upgrade_is_at_once_and_a_downgrade_waits_for_the_periods_end(
    billing: Billing,
) -> None:
    user = await billing.add_user()
    before = await billing.subscribe(user)
    upgraded = await billing.change_plan(user, Plan.ENTERPRISE)
    assert upgraded["change"] == "upgrade"
    account = await billing.get_account(user)
    assert account.state.plan is Plan.ENTERPRISE
    assert account.state.period_end == before.state.period_end
    lowered = await billing.change_plan(user, Plan.PRO)
    assert lowered["change"] == "downgrade"
    account = await billing.get_account(user)
    assert (account.state.plan, account.state.next_plan) == (Plan.ENTERPRISE, Plan.PRO)
    kept = await billing.change_plan(user, Plan.ENTERPRISE)
    assert kept["change"] == "keep"
    assert (await billing.get_account(user)).state.next_plan is None
    assert billing.stripe.violations == []


async def test_a_cancelled_plan_lasts_until_it_was_paid_for_and_can_be_taken_back(
    billing: Billing,
) -> None:
    user = await billing.add_user()
    await billing.subscribe(user)
    cancelled = await billing.change_plan(user, Plan.FREE)
    assert (cancelled["change"], cancelled["plan"], cancelled["next_plan"]) == (
        "cancel",
        "PRO",
        "FREE",
    )
    again = await billing.change_plan(user, Plan.FREE)
    assert again["change"] == "nothing"
    kept = await billing.change_plan(user, Plan.PRO)
    assert (kept["change"], kept["next_plan"]) == ("keep", None)


async def test_a_subscription_cancelled_at_stripe_keeps_its_paid_period(billing: Billing) -> None:
    user = await billing.add_user()
    before = await billing.subscribe(user)
    [subscription] = await billing.parts.accounts.list_subscriptions(before.id)
    billing.sdk.v1.subscriptions.cancel(subscription.id)
    await billing.apply_all(user)
    state = (await billing.get_account(user)).state
    assert (state.plan, state.next_plan, state.status) == (Plan.PRO, Plan.FREE, "canceled")
    assert state.next_look_at == before.state.period_end


async def test_a_second_checkout_is_refused_while_a_plan_is_granted(billing: Billing) -> None:
    user = await billing.add_user()
    await billing.subscribe(user)
    with pytest.raises(AlreadySubscribed):
        await billing.open_checkout(user, Plan.ENTERPRISE)


async def test_of_two_checkouts_of_a_user_only_the_last_one_can_be_paid(billing: Billing) -> None:
    user = await billing.add_user()
    await billing.open_checkout(user, Plan.PRO, "first")
    await billing.open_checkout(user, Plan.ENTERPRISE, "second")
    again = await billing.open_checkout(user, Plan.ENTERPRISE, "second")
    account = await billing.get_account(user)
    sessions = billing.sdk.v1.checkout.sessions.list({"customer": str(account.customer_id)}).data
    assert [session.status for session in sessions] == ["open", "expired"]
    assert sessions[0].url == again["url"]
    await billing.complete_checkout(user)
    with pytest.raises(AlreadySubscribed):  # although no event of it has come
        await billing.open_checkout(user, Plan.PRO, "third")
    await billing.apply_all(user)
    assert (await billing.get_account(user)).state.plan is Plan.ENTERPRISE
    assert billing.stripe.violations == []


async def test_a_change_without_a_subscription_is_refused(billing: Billing) -> None:
    with pytest.raises(NotSubscribed):
        await billing.change_plan(await billing.add_user(), Plan.ENTERPRISE)


async def test_twenty_commands_at_once_create_one_customer(billing: Billing) -> None:
    user = await billing.add_user()
    answers = await asyncio.gather(*(billing.open_checkout(user, Plan.PRO) for _ in range(20)))
    assert len({answer["url"] for answer in answers}) == 20
    found = billing.sdk.v1.customers.list({"limit": 100}).auto_paging_iter()
    ours = [each.id for each in found if (each.metadata or {})["user_id"] == str(user)]
    assert ours == [(await billing.get_account(user)).customer_id]


async def test_a_repeated_key_gives_the_first_page_and_refuses_another_request(
    billing: Billing,
) -> None:
    user, key = await billing.add_user(), uuid4().hex
    first = await billing.open_checkout(user, Plan.PRO, key)
    assert await billing.open_checkout(user, Plan.PRO, key) == first
    with pytest.raises(IdempotencyMismatch):
        await billing.open_checkout(user, Plan.ENTERPRISE, key)


async def test_a_lost_answer_of_stripe_leads_to_the_same_page(billing: Billing) -> None:
    user, key = await billing.add_user(), uuid4().hex
    await billing.open_checkout(user, Plan.PRO)  # the customer exists
    for _ in range(3):  # the client itself tries three times
        billing.stripe.control("faults", kind="lost_answer", path="/v1/checkout/sessions")
    with pytest.raises(StripeUnavailable):
        await billing.open_checkout(user, Plan.PRO, key)
    billing.stripe.clear("faults")
    await billing.open_checkout(user, Plan.PRO, key)
    account = await billing.get_account(user)
    sessions = billing.sdk.v1.checkout.sessions.list({"customer": str(account.customer_id)})
    assert len(sessions.data) == 2


async def test_a_failed_payment_has_a_grace_and_then_the_plan_ends(billing: Billing) -> None:
    user = await billing.add_user()
    account = await billing.subscribe(user)
    [subscription] = await billing.parts.accounts.list_subscriptions(account.id)
    billing.stripe.control(
        "change-object", identifier=subscription.id, fields={"status": "past_due"}
    )
    account = await billing.parts.refresh(account)
    assert (account.state.plan, account.state.status) == (Plan.PRO, "past_due")
    assert account.state.past_due_since is not None
    billing.stripe.control("change-object", identifier=subscription.id, fields={"status": "unpaid"})
    account = await billing.parts.refresh(account)
    assert (account.state.plan, account.state.status) == (Plan.FREE, "unpaid")


async def test_a_dispute_flags_the_account_and_changes_no_plan(billing: Billing) -> None:
    user = await billing.add_user()
    account = await billing.subscribe(user)
    [charge] = billing.sdk.v1.charges.list({"customer": str(account.customer_id)}).data
    billing.stripe.control("dispute-charge", charge=charge.id)
    events = [
        event
        for event in billing.list_all_events()
        if event.type == "charge.dispute.created" and charge.id in str(event.payload)
    ]
    await billing.receive(events)
    account = await billing.get_account(user)
    assert account.disputed_at is not None
    assert account.state.plan is Plan.PRO


async def test_a_spend_limit_is_published_as_a_number_of_jobs(billing: Billing) -> None:
    user = await billing.add_user()
    await billing.subscribe(user)
    command = SetSpendLimit(user_id=user, amount=1_001, idempotency_key=uuid4().hex)
    answer = await billing.manage.set_spend_limit(command)
    assert answer.account is not None
    change = billing.build_change(answer.account)
    assert change.spend_limit_jobs == 2_002  # at half a cent for each
    removed = SetSpendLimit(user_id=user, amount=None, idempotency_key=uuid4().hex)
    answer = await billing.manage.set_spend_limit(removed)
    assert answer.account is not None
    later = billing.build_change(answer.account)
    assert later.spend_limit_jobs is None
    assert later.version > change.version


async def test_the_portal_opens_with_the_configuration_of_the_catalogue(billing: Billing) -> None:
    user = await billing.add_user()
    command = OpenPortal(user_id=user, idempotency_key=uuid4().hex, return_url=RETURN_URL)
    page = (await billing.manage.open_portal(command)).data
    assert page["url"].startswith(billing.stripe.url)
    assert (await billing.manage.open_portal(command)).data == page


async def test_a_declined_upgrade_changes_nothing_and_frees_its_key(billing: Billing) -> None:
    user, key = await billing.add_user(), uuid4().hex
    account = await billing.subscribe(user)
    command = ChangePlan(user_id=user, plan=Plan.ENTERPRISE, idempotency_key=key)
    billing.stripe.control("fail-payments", customer=account.customer_id)
    with pytest.raises(PaymentDeclined):
        await billing.manage.change_plan(command)
    assert (await billing.get_account(user)).state.plan is Plan.PRO
    billing.stripe.control("fail-payments", customer=account.customer_id, code=None)
    answer = await billing.manage.change_plan(command)
    assert (answer.data["change"], answer.data["plan"]) == ("upgrade", "ENTERPRISE")


async def test_the_catalogue_is_set_up_once_and_a_changed_price_is_left_alone(
    billing: Billing, parts: Parts, database: Database, stripe_client: StripeClient
) -> None:
    client = StripeCatalogueClient(stripe_client)
    store = PostgresCatalogue(database, livemode=False, api_version=API_VERSION)

    async def set_up(*, is_dry_run: bool = False) -> SetUpResult:
        return await SetUpCatalogue(
            client,
            store,
            webhook_url=WEBHOOK_URL,
            api_version=API_VERSION,
            types=frozenset(SNAPSHOT_TYPES),
            is_dry_run=is_dry_run,
        )()

    again = await set_up()
    assert {line.finding for line in again.lines} == {Finding.SAME}
    price = (await parts.accounts.get_prices()).find_offered(Plan.PRO, PriceKind.FLAT)
    assert price is not None
    changed = {"unit_amount": 1, "unit_amount_decimal": "1"}
    kept = {"unit_amount": 2_000, "unit_amount_decimal": "2000"}
    billing.stripe.control("change-object", identifier=price.id, fields=changed)
    try:
        for is_dry_run in (True, False):
            result = await set_up(is_dry_run=is_dry_run)
            assert not result.is_complete
            [line] = [line for line in result.lines if line.finding is Finding.DIFFERS]
            assert "amount is 1, not 2000" in str(line)
        assert billing.sdk.v1.prices.retrieve(price.id).unit_amount == 1
    finally:
        billing.stripe.control("change-object", identifier=price.id, fields=kept)
    assert (await set_up()).is_complete
