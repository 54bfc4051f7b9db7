"""Requests: validation against the package, idempotency, paging, expansion, rollback, restart."""

from pathlib import Path

import orjson
import pytest
from direct_stripe import DAY, DirectStripe, Refused, Subscriber, load_package, new_server

from msaas.stripe.adapters.sqlite_journal import SqliteJournal
from msaas.stripe.application.context import Cause
from msaas.stripe.application.server import Request, list_routes
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.forms import decode_form
from msaas.testing import FakeClock

INVALID, UNKNOWN = "parameter_invalid", "parameter_unknown"
ANCHOR = "billing_cycle_anchor"
METHODS = "payment_method_types"


@pytest.fixture
def stripe() -> DirectStripe:
    return DirectStripe()


def test_every_operation_and_every_accepted_parameter_is_one_of_the_package() -> None:
    package = load_package()
    routes = [route for table in list_routes() for route in table]
    assert len(routes) > 90
    for route in routes:
        for name in route.accepts:
            with pytest.raises(ApiError) as refused:
                package.read_params(route.method, route.path, {name: {"?": {"?": "?"}}})
            assert refused.value.message != f"Received unknown parameter: {name}", route


@pytest.mark.parametrize(
    ("path", "params", "code", "param"),
    [
        ("/v1/customers", {"e_mail": "a"}, UNKNOWN, "e_mail"),
        ("/v1/billing/meters", {"display_name": "a"}, "parameter_missing", "default_aggregation"),
        ("/v1/subscriptions", {"items": [{"quantity": "x"}]}, INVALID, "items[0][quantity]"),
        ("/v1/subscriptions", {"items": {"a": "b"}}, INVALID, "items"),
        ("/v1/checkout/sessions", {"mode": "gift"}, INVALID, "mode"),
        ("/v1/checkout/sessions", {METHODS: ["card"]}, UNKNOWN, METHODS),
        ("/v1/subscriptions/sub_1", {ANCHOR: "now"}, INVALID, ANCHOR),
        ("/v1/invoices/upcoming", {}, None, None),
        ("/v1/subscription_items/si_1/usage_records", {"quantity": 1}, None, None),
    ],
)  # fmt: skip
def test_what_the_pinned_version_does_not_know_is_refused_and_recorded(
    stripe: DirectStripe, path: str, params: dict[str, object], code: str | None, param: str | None
) -> None:
    with pytest.raises(Refused) as refused:
        stripe.call("POST", path, params)
    error = refused.value.error
    if path == "/v1/invoices/upcoming":  # the path of an invoice with that name
        assert error["code"] == "resource_missing"
        return
    assert (error.get("code"), error.get("param")) == (code, param)
    (violation,) = stripe.server.violations
    assert (violation["path"], violation["param"]) == (path, param)


def test_a_parameter_that_is_not_implemented_is_refused_and_recorded(
    stripe: DirectStripe,
) -> None:
    with pytest.raises(Refused, match="does not implement the parameter cash_balance"):
        stripe.post("/v1/customers", cash_balance={"settings": {"reconciliation_mode": "manual"}})
    assert [violation["param"] for violation in stripe.server.violations] == ["cash_balance"]


def test_a_key_gives_the_first_answer_for_a_day(stripe: DirectStripe) -> None:
    first = stripe.send("POST", "/v1/customers", {"email": "a@b.c"}, "k")
    again = stripe.send("POST", "/v1/customers", {"email": "a@b.c"}, "k")
    assert (again.body, again.is_replayed) == (first.body, True)
    other = stripe.send("POST", "/v1/customers", {"email": "other@b.c"}, "k")
    assert other.status == 400
    assert orjson.loads(other.body)["error"]["type"] == "idempotency_error"
    assert len(stripe.list_all("/v1/customers")) == 1


async def test_a_key_is_forgotten_after_a_day(stripe: DirectStripe) -> None:
    first = stripe.post("/v1/customers", "k")
    await stripe.clock.advance(DAY + 1)
    assert stripe.post("/v1/customers", "k")["id"] != first["id"]


def test_a_refusal_by_validation_frees_the_key_and_a_failed_run_keeps_it(
    stripe: DirectStripe,
) -> None:
    assert stripe.send("POST", "/v1/customers", {"wrong": "1"}, "k").status == 400
    assert stripe.send("POST", "/v1/customers", {"email": "a@b.c"}, "k").status == 200
    missing = stripe.send("POST", "/v1/subscriptions", {"customer": "cus_none"}, "other")
    again = stripe.send("POST", "/v1/subscriptions", {"customer": "cus_none"}, "other")
    assert (missing.status, again.is_replayed, again.body) == (404, True, missing.body)


def test_pages_cover_a_list_once_in_both_directions(stripe: DirectStripe) -> None:
    created = [stripe.post("/v1/customers")["id"] for _ in range(7)]
    first = stripe.get("/v1/customers", limit=3)
    second = stripe.get("/v1/customers", limit=3, starting_after=first["data"][-1]["id"])
    last = stripe.get("/v1/customers", limit=3, starting_after=second["data"][-1]["id"])
    pages = (first, second, last)
    assert [customer["id"] for page in pages for customer in page["data"]] == created[::-1]
    assert [page["has_more"] for page in pages] == [True, True, False]
    back = stripe.get("/v1/customers", limit=3, ending_before=last["data"][0]["id"])
    assert back["data"] == second["data"]
    with pytest.raises(Refused):
        stripe.get("/v1/customers", limit=101)


def test_objects_are_expanded_in_objects_and_lists(stripe: DirectStripe) -> None:
    one = Subscriber(stripe)
    one.subscribe()
    found = stripe.get(
        f"/v1/subscriptions/{one.subscription}",
        expand=["latest_invoice.payments", "customer", "items.data.price.product"],
    )
    assert found["customer"]["id"] == one.customer
    (payment,) = found["latest_invoice"]["payments"]["data"]
    assert payment["status"] == "paid"
    assert found["items"]["data"][0]["price"]["product"]["name"] == "Pro"
    listed = stripe.get("/v1/invoices", customer=one.customer, expand=["data.customer"])
    assert listed["data"][0]["customer"]["object"] == "customer"
    with pytest.raises(Refused, match="cannot be expanded"):
        stripe.get(f"/v1/customers/{one.customer}", expand=["nothing"])


def test_metadata_with_any_name_is_served_and_merged(stripe: DirectStripe) -> None:
    customer = stripe.post("/v1/customers", metadata={"_a": "1", "b": "2"})
    assert customer["metadata"] == {"_a": "1", "b": "2"}
    path = f"/v1/customers/{customer['id']}"
    assert stripe.post(path, metadata={"b": "", "c": "3"})["metadata"] == {"_a": "1", "c": "3"}
    assert stripe.post(path, metadata="")["metadata"] == {}


def test_a_failed_unit_of_work_leaves_no_trace(stripe: DirectStripe) -> None:
    one = Subscriber(stripe)
    one.subscribe()
    store = stripe.server.api.store
    before = [(event["type"]) for event in store.list_kind("event")]
    subscription = one.read()

    def fail() -> None:
        with stripe.server.unit_of_work(Cause()):
            changed = store.edit(one.subscription)
            changed["status"] = "unpaid"
            stripe.server.api.emit("customer.subscription.updated", changed)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert one.read() == subscription
    assert [event["type"] for event in store.list_kind("event")] == before


async def test_a_new_process_continues_where_the_last_one_was(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "stripe.db"
    stripe = DirectStripe(clock)
    stripe.server = new_server(clock, path)
    one = Subscriber(stripe)
    one.subscribe()
    one.use(8)
    stripe.operate("advance", seconds=60)
    state = (one.read(), one.invoices(), one.events())
    stripe.server = new_server(clock, path)
    assert (one.read(), one.invoices(), one.events()) == state
    assert stripe.server.api.timeline.offset == 60
    # What becomes due is known to the new process too.
    one.advance(32 * DAY)
    assert [line["amount"] for line in one.invoices()[-1]["lines"]["data"]] == [4, 2_900]


def test_a_broken_write_leaves_the_journal_as_it_was() -> None:
    journal = SqliteJournal(None)
    journal.write({"a": {"id": "a", "object": "x"}})
    with pytest.raises(TypeError):
        journal.write({"b": {"id": "b", "object": "x"}, "c": {"value": object()}})
    assert [key for key, _ in journal.read_all()] == ["a"]


@pytest.mark.parametrize("pair", [("a[b", "1"), ("[a]", "1"), ("a" + "[b]" * 20, "1")])
def test_a_malformed_name_is_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(ApiError):
        decode_form([pair])


def test_a_name_cannot_be_a_value_and_an_object() -> None:
    with pytest.raises(ApiError):
        decode_form([("a", "1"), ("a[b]", "2")])


def test_empty_brackets_append() -> None:
    assert decode_form([("types[]", "a"), ("types[]", "b")]) == {"types": {"0": "a", "1": "b"}}


def test_v2_bodies_are_validated_as_json(stripe: DirectStripe) -> None:
    body = {"event_name": "jobs", "payload": {"value": 1}}
    request = Request("POST", "/v2/billing/meter_events", body, "test", is_json=True)
    assert stripe.server.handle(request).status == 400


def test_an_address_needs_a_scheme_that_is_no_script(stripe: DirectStripe) -> None:
    with pytest.raises(Refused) as refused:
        stripe.post("/v1/checkout/sessions", mode="subscription", success_url="javascript:alert(1)")
    assert refused.value.error["code"] == "url_invalid"
    with pytest.raises(Refused):
        stripe.post("/v1/webhook_endpoints", url="file:///etc", enabled_events=["*"])
