"""A charge that an invoice holds is credited by a note; the invoice stays as it is."""

from datetime import UTC, datetime
from typing import Any

import stripe
from services.billing.tests.clocked_support import DAY, subscribe
from services.billing.tests.metering_support import build_metering
from services.billing.tests.support import Billing

START = datetime(2027, 4, 3, 9, 0, 0, tzinfo=UTC)


def read_invoice(sdk: stripe.StripeClient, customer_id: str) -> dict[str, Any]:
    params: Any = {"customer": customer_id, "limit": 1}
    found = sdk.v1.invoices.list(params).data[0].to_dict()
    return {name: found[name] for name in ("id", "number", "total", "status", "lines")}


async def test_invoiced_usage_is_credited_once_and_the_invoice_stays(billing: Billing) -> None:
    metering = build_metering(billing)
    user = await subscribe(metering, START)
    await user.advance_to(START + 12 * DAY)
    await user.use(9)
    waiting, *others = [event.job_id for event in user.ledger.events if event.job_id]
    await metering.shift_reports(user.ledger, reported_at=2 * DAY)
    first = await metering.correct.record(waiting, "It was empty.")
    await metering.go_on(user.ledger)
    assert (first.means, first.state) == ("credit_note", "PENDING")  # no invoice holds it yet
    await user.end_period(await user.preview())
    invoice = read_invoice(billing.sdk, user.customer_id)

    fault = {"kind": "failed_answer", "status": 500, "remaining": 3}
    billing.stripe.control("faults", path="/v1/credit_notes", method="POST", **fault)
    try:
        await metering.go_on(user.ledger)
    finally:
        billing.stripe.clear("faults")
    await metering.go_on(user.ledger)
    for job_id in others[:2]:
        await metering.correct.record(job_id, "It was empty.")
        await metering.go_on(user.ledger)
        await metering.go_on(user.ledger)

    rows = await billing.rows.fetch(
        "SELECT state, amount, stripe_credit_note_id AS note FROM billing.corrections"
        " WHERE subject_id = $1 ORDER BY created_at",
        user.ledger.subject_id,
    )
    # Nine jobs cost 4.5 cents, six 3: each line is rounded once, so two cents are credited in all.
    assert {row["state"] for row in rows} == {"APPLIED"}
    assert [row["amount"] for row in rows] == [1, 0, 1]
    notes = billing.sdk.v1.credit_notes.list({"invoice": invoice["id"]}).data
    assert {note.id for note in notes} == {row["note"] for row in rows if row["note"]}
    assert sum(note.amount for note in notes) == 2
    assert read_invoice(billing.sdk, user.customer_id) == invoice
    assert await metering.read_stripe(user.ledger) == 9
    assert billing.stripe.violations == []
