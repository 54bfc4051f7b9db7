"""Every object that is served has the fields and types of the package's classes."""

from direct_stripe import DAY, DirectStripe, Subscriber
from stripe_shapes import find_differences

from msaas.stripe.domain.resources import public

# Public kinds; the others are the stand-in's own.
_PRIVATE = {"billing.meter_event", "idempotency", "delivery", "server_state", "meter_event_token"}


def _play() -> DirectStripe:
    """Make at least one object of each kind."""
    stripe = DirectStripe()
    one = Subscriber(stripe)
    one.subscribe(trial_period_days=4)
    one.use(3)
    one.advance(5 * DAY)
    one.change_plan(one.larger)
    stripe.operate("fail_payments", customer=one.customer)
    one.advance(40 * DAY)
    stripe.operate("fail_payments", customer=one.customer, code=None)
    one.advance(10 * DAY)
    stripe.post("/v1/subscription_schedules", from_subscription=one.subscription)
    charge = stripe.list_all("/v1/charges", customer=one.customer)[0]
    stripe.operate("dispute_charge", charge=charge["id"])
    paid = stripe.list_all("/v1/invoices", customer=one.customer, status="paid")[0]
    stripe.post("/v1/credit_notes", invoice=paid["id"], amount=1, credit_amount=1)
    stripe.post("/v1/webhook_endpoints", url="http://x", enabled_events=["*"])
    features = {"invoice_history": {"enabled": True}}
    configuration = stripe.post("/v1/billing_portal/configurations", features=features)
    stripe.post(
        "/v1/billing_portal/sessions", customer=one.customer, configuration=configuration["id"]
    )
    session = stripe.post(
        "/v1/checkout/sessions",
        mode="subscription",
        customer=one.customer,
        success_url="http://x",
        line_items=[{"price": one.flat, "quantity": 1}],
    )
    stripe.operate("complete_checkout", session=session["id"])
    stripe.post(f"/v1/subscriptions/{one.subscription}/pause", type="subscription")
    return stripe


def test_every_object_has_the_fields_and_types_of_the_package() -> None:
    stripe = _play()
    kinds: set[str] = set()
    differences: set[str] = set()
    store = stripe.server.api.store
    for kind in store.kinds() - _PRIVATE:
        kinds.add(kind)
        for document in store.list_kind(kind):
            differences |= set(find_differences(public(document)))
    assert differences == set()
    assert len(kinds) >= 20, kinds


def test_every_event_carries_an_object_of_the_right_shape() -> None:
    stripe = _play()
    events = stripe.list_all("/v1/events")
    differences = {
        f"{event['type']}: {difference}"
        for event in events
        for difference in find_differences(event["data"]["object"])
    }
    assert differences == set()
    assert len({event["type"] for event in events}) > 25


def test_meter_events_and_their_answers_have_the_right_shape() -> None:
    stripe = DirectStripe()
    one = Subscriber(stripe)
    event = stripe.post(
        "/v1/billing/meter_events",
        event_name=one.event_name,
        payload={"stripe_customer_id": one.customer, "value": "1"},
        identifier="a",
    )
    answers = [event]
    begin = one.now // DAY * DAY
    answers += stripe.get(
        f"/v1/billing/meters/{one.meter}/event_summaries",
        customer=one.customer,
        start_time=begin,
        end_time=begin + DAY,
    )["data"]
    answers.append(
        stripe.post(
            "/v1/billing/meter_event_adjustments",
            event_name=one.event_name,
            type="cancel",
            cancel={"identifier": "a"},
        )
    )
    answers.append(stripe.post("/v2/billing/meter_event_session"))
    assert len(answers) == 4
    assert [fault for answer in answers for fault in find_differences(answer)] == []
