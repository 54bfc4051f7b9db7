"""Upgrade, downgrade, trial, cancellation, pause, dunning: each to the cent and to the second."""

from datetime import UTC, datetime

import pytest
from direct_stripe import DAY, START, DirectStripe, Refused, Subscriber

HOUR = 3_600


@pytest.fixture
def one() -> Subscriber:
    subscriber = Subscriber(DirectStripe())
    subscriber.subscribe()
    return subscriber


def _fail(one: Subscriber, code: str | None) -> None:
    one.stripe.operate("fail_payments", customer=one.customer, code=code)


def _next_period_end(one: Subscriber) -> int:
    return one.read()["items"]["data"][0]["current_period_end"]


def test_an_upgrade_credits_unused_time_and_charges_the_rest_to_the_cent(one: Subscriber) -> None:
    one.advance(10 * DAY)
    one.change_plan(one.larger, proration_behavior="always_invoice")
    upgrade = one.invoices()[-1]
    # 20 of 30 days remain: 29.00 * 2/3 = 19.33, 99.99 * 2/3 = 66.66.
    assert [line["amount"] for line in upgrade["lines"]["data"]] == [-1_933, 6_666]
    assert (upgrade["total"], upgrade["status"]) == (4_733, "paid")
    assert upgrade["billing_reason"] == "subscription_update"
    details = upgrade["lines"]["data"][0]["parent"]["invoice_item_details"]
    assert (details["proration"], details["subscription"]) == (True, one.subscription)


def test_a_prorated_change_without_an_invoice_waits_for_the_renewal(one: Subscriber) -> None:
    one.advance(15 * DAY)
    one.change_plan(one.larger)
    assert len(one.invoices()) == 1
    one.advance(16 * DAY)
    assert sorted(line["amount"] for line in one.invoices()[-1]["lines"]["data"]) == [
        -1_450,
        0,
        5_000,
        9_999,
    ]


def test_a_downgrade_leaves_a_credit_that_pays_the_next_invoice(one: Subscriber) -> None:
    one.change_plan(one.larger, proration_behavior="none")
    one.advance(31 * DAY)
    begin = one.now
    one.change_plan(one.flat, proration_behavior="always_invoice")
    credit = one.invoices()[-1]
    assert credit["total"] < 0
    assert (credit["amount_due"], credit["status"]) == (0, "paid")
    balance = one.stripe.get(f"/v1/customers/{one.customer}")["balance"]
    assert balance == credit["total"]
    one.advance_to(begin + 35 * DAY)
    renewal = one.invoices()[-1]
    assert renewal["starting_balance"] == balance
    assert renewal["amount_due"] == max(0, renewal["total"] + balance)


def test_a_schedule_changes_the_plan_at_the_end_of_the_period(one: Subscriber) -> None:
    schedule = one.stripe.post("/v1/subscription_schedules", from_subscription=one.subscription)
    phase = schedule["phases"][0]
    one.stripe.post(
        f"/v1/subscription_schedules/{schedule['id']}",
        end_behavior="release",
        phases=[
            {
                "items": [{"price": one.flat, "quantity": 1}, {"price": one.metered}],
                "start_date": phase["start_date"],
                "end_date": phase["end_date"],
            },
            {
                "items": [{"price": one.larger, "quantity": 1}, {"price": one.metered}],
                "proration_behavior": "none",
            },
        ],
    )
    assert one.read()["schedule"] == schedule["id"]
    one.use(40)
    one.advance_to(_next_period_end(one) + 2 * HOUR)
    renewal = one.invoices()[-1]
    assert [line["amount"] for line in renewal["lines"]["data"]] == [20, 9_999]
    one.advance(32 * DAY)
    assert one.read()["schedule"] is None
    ended = one.stripe.get(f"/v1/subscription_schedules/{schedule['id']}")
    assert (ended["status"], ended["released_subscription"]) == ("released", one.subscription)


def test_a_trial_is_free_announced_and_followed_by_a_paid_period() -> None:
    one = Subscriber(DirectStripe())
    created = one.subscribe(trial_period_days=14)
    assert created["status"] == "trialing"
    one.use(99)
    one.advance(12 * DAY)
    assert one.events().count("customer.subscription.trial_will_end") == 1
    one.advance(3 * DAY)
    assert one.read()["status"] == "active"
    first, second = one.invoices()
    assert (first["total"], first["status"]) == (0, "paid")
    assert (second["total"], second["status"]) == (2_900, "paid")
    assert one.read()["billing_cycle_anchor"] == START + 14 * DAY


@pytest.mark.parametrize(("behavior", "status"), [("cancel", "canceled"), ("pause", "paused")])
def test_a_trial_without_a_payment_method_ends_as_its_settings_say(
    behavior: str, status: str
) -> None:
    one = Subscriber(DirectStripe())
    customer = one.stripe.server.api.store.find_any(one.customer)
    assert customer is not None
    customer["invoice_settings"]["default_payment_method"] = None
    ends = {"end_behavior": {"missing_payment_method": behavior}}
    one.subscribe(trial_period_days=7, trial_settings=ends)
    one.advance(8 * DAY)
    assert one.read()["status"] == status


def test_a_cancellation_at_the_period_end_bills_the_usage_and_can_be_taken_back(
    one: Subscriber,
) -> None:
    end = _next_period_end(one)
    cancelled = one.update(cancel_at_period_end=True)
    assert (cancelled["cancel_at"], cancelled["status"]) == (end, "active")
    one.update(cancel_at_period_end=False)
    assert one.read()["cancel_at"] is None
    one.update(cancel_at_period_end=True)
    one.use(7)
    one.advance_to(end + 2 * HOUR)
    ended = one.read()
    assert (ended["status"], ended["ended_at"]) == ("canceled", end)
    assert ended["cancellation_details"]["reason"] == "cancellation_requested"
    assert one.invoices()[-1]["total"] == 4
    assert "customer.subscription.deleted" in one.events()


def test_a_declined_renewal_is_retried_and_ends_unpaid(one: Subscriber) -> None:
    _fail(one, "card_declined")
    end = _next_period_end(one)
    one.advance_to(end + 2 * HOUR)
    invoice = one.invoices()[-1]
    charged_at = end + HOUR
    assert (invoice["status"], invoice["attempt_count"]) == ("open", 1)
    assert invoice["next_payment_attempt"] == charged_at + 3 * DAY
    assert one.read()["status"] == "past_due"
    one.advance_to(charged_at + (3 + 5 + 7) * DAY)
    invoice = one.invoices()[-1]
    assert (invoice["attempt_count"], invoice["next_payment_attempt"]) == (4, None)
    assert one.read()["status"] == "unpaid"
    assert one.events().count("invoice.payment_failed") == 4
    assert one.stripe.get(f"/v1/customers/{one.customer}")["delinquent"]
    with pytest.raises(Refused) as refused:
        one.stripe.post(f"/v1/invoices/{invoice['id']}/pay")
    assert refused.value.error["code"] == "card_declined"
    # The refused payment is a further attempt that stays.
    assert one.invoices()[-1]["attempt_count"] == 5
    _fail(one, None)
    one.stripe.post(f"/v1/invoices/{invoice['id']}/pay")
    assert one.read()["status"] == "active"
    assert not one.stripe.get(f"/v1/customers/{one.customer}")["delinquent"]


def test_a_declined_first_payment_leaves_an_incomplete_subscription_that_expires() -> None:
    one = Subscriber(DirectStripe())
    _fail(one, "card_declined")
    with pytest.raises(Refused):
        one.subscribe(payment_behavior="error_if_incomplete")
    assert one.stripe.list_all("/v1/subscriptions", customer=one.customer, status="all") == []
    assert one.subscribe()["status"] == "incomplete"
    one.advance(24 * HOUR)
    assert one.read()["status"] == "incomplete_expired"
    assert one.invoices()[-1]["status"] == "void"


def test_a_paused_collection_keeps_drafts_and_a_pause_stops_the_periods(one: Subscriber) -> None:
    one.update(pause_collection={"behavior": "keep_as_draft"})
    one.advance(32 * DAY)
    assert one.read()["status"] == "active"
    assert one.invoices()[-1]["status"] == "draft"
    one.update(pause_collection="")
    paused = one.stripe.post(f"/v1/subscriptions/{one.subscription}/pause", type="subscription")
    assert paused["status_details"]["paused"]["subscription"]["type"] == "pause_requested"
    count = len(one.invoices())
    one.advance(90 * DAY)
    assert len(one.invoices()) == count
    resumed = one.stripe.post(f"/v1/subscriptions/{one.subscription}/resume")
    assert resumed["status"] == "active"
    assert one.invoices()[-1]["status"] == "paid"


@pytest.mark.parametrize("trial", [0, 9])
def test_a_preview_equals_the_final_invoice(trial: int) -> None:
    one = Subscriber(DirectStripe(), start=int(datetime(2024, 1, 31, 12, tzinfo=UTC).timestamp()))
    one.subscribe(**({"trial_period_days": trial} if trial else {}))
    one.advance(10 * DAY)
    one.use(333)
    one.change_plan(one.larger)
    one.advance(5 * DAY)
    one.use(334)
    preview = one.stripe.post("/v1/invoices/create_preview", subscription=one.subscription)
    one.advance_to(_next_period_end(one) + 2 * HOUR)
    final = one.invoices()[-1]
    assert preview["total"] == final["total"]
    assert [(line["amount"], line["period"]) for line in preview["lines"]["data"]] == [
        (line["amount"], line["period"]) for line in final["lines"]["data"]
    ]


def test_a_preview_changes_nothing(one: Subscriber) -> None:
    before = (one.read(), one.invoices(), one.events())
    change = {"items": [{"id": one.flat_item(), "price": one.larger}]}
    preview = one.stripe.post(
        "/v1/invoices/create_preview",
        subscription=one.subscription,
        subscription_details={**change, "proration_behavior": "always_invoice"},
    )
    assert preview["total"] == 9_999 - 2_900
    assert (one.read(), one.invoices(), one.events()) == before


def test_the_anchor_survives_short_months() -> None:
    one = Subscriber(DirectStripe(), start=int(datetime(2024, 1, 31, 12, tzinfo=UTC).timestamp()))
    one.subscribe()
    ends: list[str] = []
    for _ in range(4):
        end = _next_period_end(one)
        ends.append(datetime.fromtimestamp(end, UTC).strftime("%m-%d %H"))
        one.advance_to(end + 2 * HOUR)
    assert ends == ["02-29 12", "03-31 12", "04-30 12", "05-31 12"]


def test_a_credit_note_corrects_a_closed_invoice_without_changing_its_lines(
    one: Subscriber,
) -> None:
    invoice = one.invoices()[0]
    note = one.stripe.post(
        "/v1/credit_notes", invoice=invoice["id"], amount=500, credit_amount=500, reason="duplicate"
    )
    assert (note["total"], note["type"]) == (500, "post_payment")
    after = one.invoices()[0]
    assert (after["total"], after["lines"]) == (invoice["total"], invoice["lines"])
    assert after["post_payment_credit_notes_amount"] == 500
    assert one.stripe.get(f"/v1/customers/{one.customer}")["balance"] == -500
    with pytest.raises(Refused):
        one.stripe.post(
            "/v1/credit_notes", invoice=invoice["id"], amount=2_500, credit_amount=2_500
        )


def test_a_deleted_customer_ends_its_subscriptions_and_keeps_its_invoices(one: Subscriber) -> None:
    answer = one.stripe.call("DELETE", f"/v1/customers/{one.customer}", {})
    assert answer == {"id": one.customer, "object": "customer", "deleted": True}
    assert one.read()["status"] == "canceled"
    assert len(one.invoices()) == 1
    assert one.stripe.get(f"/v1/customers/{one.customer}")["deleted"]


def test_an_invoice_keeps_metadata_that_is_added_after_it_is_final(one: Subscriber) -> None:
    invoice = one.invoices()[0]
    changed = one.stripe.post(f"/v1/invoices/{invoice['id']}", metadata={"chain_head": "abc"})
    assert changed["metadata"] == {"chain_head": "abc"}
    with pytest.raises(Refused):
        one.stripe.post(f"/v1/invoices/{invoice['id']}", description="late")
