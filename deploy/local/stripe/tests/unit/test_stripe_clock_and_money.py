"""Money adds up, and a clock that is advanced in one step does what many steps do."""

from collections.abc import Callable
from typing import Any

from direct_stripe import DAY, DirectStripe, Subscriber
from hypothesis import given, settings
from hypothesis import strategies as st

Action = Callable[[Subscriber], object]

_BEHAVIORS = st.sampled_from(["create_prorations", "always_invoice", "none"])


def _use(units: int) -> Action:
    return lambda one: one.use(units)


def _upgrade(behavior: str) -> Action:
    return lambda one: one.change_plan(one.larger, proration_behavior=behavior)


def _downgrade(behavior: str) -> Action:
    return lambda one: one.change_plan(one.flat, proration_behavior=behavior)


def _cancel_later(ends: bool) -> Action:  # noqa: FBT001 - a drawn value
    return lambda one: one.update(cancel_at_period_end=ends)


def _fail_payments(fails: bool) -> Action:  # noqa: FBT001 - a drawn value
    code = "card_declined" if fails else None
    return lambda one: one.stripe.operate("fail_payments", customer=one.customer, code=code)


_ACTIONS: st.SearchStrategy[Action] = st.one_of(
    st.integers(1, 500).map(_use),
    _BEHAVIORS.map(_upgrade),
    _BEHAVIORS.map(_downgrade),
    st.booleans().map(_cancel_later),
    st.booleans().map(_fail_payments),
)
_SCRIPTS = st.lists(st.tuples(st.integers(1, 40 * DAY), _ACTIONS), max_size=8)
_TRIALS = st.sampled_from([0, 0, 2, 14])
_STARTS = st.sampled_from(
    [1_700_000_000, 1_706_659_200, 1_709_164_799, 1_711_846_800]  # also 31 January, a leap day
)


def _run(start: int, trial: int, script: list[tuple[int, Action]], steps: int) -> Subscriber:
    one = Subscriber(DirectStripe(), start)
    one.subscribe(**({"trial_period_days": trial} if trial else {}))
    for seconds, act in script:
        _advance(one, seconds, steps)
        if one.read()["status"] == "canceled":
            break
        act(one)
    _advance(one, 70 * DAY, steps)
    return one


def _advance(one: Subscriber, seconds: int, steps: int) -> None:
    begin = one.now
    for step in range(1, steps + 1):
        at = begin + seconds * step // steps
        if at > one.now:
            one.advance_to(at)


def _describe(one: Subscriber) -> dict[str, Any]:
    subscription = one.read()
    return {
        "status": subscription["status"],
        "period": [item["current_period_end"] for item in subscription["items"]["data"]],
        "invoices": [
            (
                invoice["billing_reason"],
                invoice["status"],
                invoice["created"],
                invoice["total"],
                invoice["amount_due"],
                invoice["attempt_count"],
                [(line["amount"], line["period"]) for line in invoice["lines"]["data"]],
            )
            for invoice in one.invoices()
        ],
        "events": [name for name in one.events() if "test_clock" not in name],
    }


@settings(max_examples=25)
@given(start=_STARTS, trial=_TRIALS, script=_SCRIPTS, steps=st.integers(2, 5))
def test_one_step_of_the_clock_does_what_many_steps_do(
    start: int, trial: int, script: list[tuple[int, Action]], steps: int
) -> None:
    once = _run(start, trial, script, 1)
    often = _run(start, trial, script, steps)
    assert _describe(once) == _describe(often)


@settings(max_examples=25)
@given(start=_STARTS, trial=_TRIALS, script=_SCRIPTS)
def test_every_invoice_is_the_sum_of_its_lines_and_every_balance_is_explained(
    start: int, trial: int, script: list[tuple[int, Action]]
) -> None:
    one = _run(start, trial, script, 1)
    balance = 0
    for invoice in one.invoices():
        lines = one.stripe.list_all(f"/v1/invoices/{invoice['id']}/lines")
        assert invoice["total"] == sum(line["amount"] for line in lines)
        assert all(line["invoice"] == invoice["id"] for line in lines)
        assert invoice["amount_due"] == invoice["amount_paid"] + invoice["amount_remaining"]
        if invoice["status"] == "draft":
            continue
        assert invoice["starting_balance"] == balance
        owed = invoice["total"] + balance
        assert invoice["amount_due"] == max(0, owed)
        balance = min(0, owed)
        assert invoice["ending_balance"] == balance
    customer = one.stripe.get(f"/v1/customers/{one.customer}")
    assert customer["balance"] == balance


@settings(max_examples=25)
@given(
    usage=st.lists(st.tuples(st.integers(0, 12 * DAY), st.integers(1, 90)), max_size=10),
    upgrade=st.integers(1, 60 * DAY),
)
def test_every_unit_is_billed_once(usage: list[tuple[int, int]], upgrade: int) -> None:
    one = Subscriber(DirectStripe())
    one.subscribe()
    changed = False
    for wait, units in usage:
        if wait:
            one.advance(wait)
        one.use(units)
        if not changed and one.now >= one.start + upgrade:
            one.change_plan(one.larger, proration_behavior="always_invoice")
            changed = True
    one.update(cancel_at_period_end=True)
    one.advance(40 * DAY)
    assert one.read()["status"] == "canceled"
    billed = sum(
        line["quantity"]
        for invoice in one.invoices()
        for line in invoice["lines"]["data"]
        if line["pricing"]["price_details"]["price"] == one.metered
    )
    assert billed == sum(units for _, units in usage)
