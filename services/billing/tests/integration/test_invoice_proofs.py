"""A final invoice is proved once; the stand-in and the verifier agree with its proof."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from services.billing.tests.clocked_support import DAY, ClockedUser, subscribe
from services.billing.tests.metering_support import build_metering
from services.billing.tests.support import Billing
from services.billing.tests.verifier import load_verifier

from msaas.billing.adapters.signing import Ed25519Signer
from msaas.billing.application.prove_invoice import ProveInvoice
from msaas.billing.domain.usage import UsageEvent
from msaas.billing.settings import LOCAL_PROOF_KEY
from msaas.contracts import Plan
from msaas.telemetry import Metrics

START = datetime(2027, 6, 3, 9, 0, 0, tzinfo=UTC)


class ProcessEnded(Exception):
    """What a test raises where a process could end."""


class Ending:
    """A store or Stripe whose process ends after the named call."""

    def __init__(self, observed: object, after: str) -> None:
        self._observed = observed
        self._after = after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._observed, name)
        if name != self._after:
            return method

        async def call(*arguments: object) -> None:
            await method(*arguments)
            raise ProcessEnded

        return call


def build_prove(billing: Billing, ending: str = "") -> ProveInvoice:
    parts = billing.parts.proving
    store: Any = Ending(parts.proofs, ending)
    invoices: Any = Ending(parts.invoices, ending)
    return ProveInvoice(store, Ed25519Signer(LOCAL_PROOF_KEY), invoices, Metrics("billing", "test"))


def read_invoice(user: ClockedUser) -> dict[str, Any]:
    params: Any = {"customer": user.customer_id, "limit": 1}
    found: dict[str, Any] = user.billing.sdk.v1.invoices.list(params).data[0].to_dict()
    return found


async def read_proof(user: ClockedUser, invoice_id: str) -> dict[str, Any]:
    """Return the file as the gateway answers it."""
    rows = await user.billing.rows.fetch(
        "SELECT * FROM billing.invoice_proofs WHERE stripe_invoice_id = $1", invoice_id
    )

    def iso(event: UsageEvent) -> str:
        return event.occurred_at.isoformat()

    links = [
        (each.seq, each.job_id and str(each.job_id), *(each.quantity, iso(each), each.hash))
        for each in user.ledger.events
    ]
    return {
        "format": "msaas-invoice-proof/1",
        "invoice": invoice_id,
        "proofs": [
            {
                "statement": row["statement"],
                "signature": row["signature"].hex(),
                "links": links[row["first_seq"] - 1 : row["last_seq"]],
            }
            for row in rows
        ],
    }


def verify(proof: dict[str, Any], invoice: Mapping[str, Any] | None = None) -> list[str]:
    key = Ed25519Signer(LOCAL_PROOF_KEY).public_key
    problems: list[str] = load_verifier().verify(proof, invoice, key)
    return problems


async def test_invoices_are_proved_once_and_their_proofs_join(billing: Billing) -> None:
    user = await subscribe(build_metering(billing), START)
    prove, proofs = build_prove(billing), billing.parts.proving.proofs
    await user.advance_to(START + 10 * DAY)
    user.ledger.add_many(3, plan=Plan.FREE, at=START - timedelta(hours=1))
    user.ledger.add(kind="plan_changed", quantity=0, at=START)
    await user.metering.take(user.ledger.events)
    await user.use(7)
    corrected = user.ledger.events[-2].job_id
    assert corrected is not None
    await user.metering.correct.record(corrected, "It was empty.")
    await user.metering.go_on(user.ledger)
    await user.end_period(await user.preview())
    first = read_invoice(user)

    # Whatever step a process ends after, the next message goes on with the rest.
    for step in ("store", "write"):
        with pytest.raises(ProcessEnded):
            await build_prove(billing, step)(first["id"])
        assert first["id"] in await proofs.list_due(10_000)
    [signed] = (await read_proof(user, first["id"]))["proofs"]
    await prove(first["id"])
    await prove(first["id"])  # a redelivery changes nothing
    assert first["id"] not in await proofs.list_due(10_000)
    proof = await read_proof(user, first["id"])
    assert proof["proofs"] == [signed]
    statement = json.loads(signed["statement"])
    assert (statement["first_seq"], statement["last_seq"], statement["quantity"]) == (5, 11, 6)
    assert statement["uncharged"] == [[10, 10]]
    held = read_invoice(user)
    assert held["metadata"] == {
        f"usage_{user.ledger.subject_id.hex}": f"11:{user.ledger.events[-1].hash}"
    }
    assert {**held, "metadata": {}} == {**first, "metadata": {}}
    assert verify(proof, held) == []

    await user.metering.take([user.ledger.add(kind="plan_changed", quantity=0, at=user.now)])
    await user.use(2)
    await user.end_period(await user.preview())
    second = read_invoice(user)
    await prove(second["id"])
    following = await read_proof(user, second["id"])
    after = json.loads(following["proofs"][0]["statement"])
    assert (after["first_seq"], after["head_before"]) == (12, statement["head_after"])
    assert verify(following, read_invoice(user)) == []
    assert verify(following, held) != []
    assert billing.stripe.violations == []


async def test_a_proof_waits_for_stripe_and_for_usage_that_the_invoice_does_not_explain(
    billing: Billing,
) -> None:
    user = await subscribe(build_metering(billing), START)
    prove, proofs = build_prove(billing), billing.parts.proving.proofs
    await user.advance_to(START + 10 * DAY)
    await user.use(5)
    await user.end_period(await user.preview())
    invoice = read_invoice(user)
    hide = "UPDATE billing.meter_reports SET meter_timestamp = meter_timestamp + $2::interval"
    await billing.rows.execute(f"{hide} WHERE subject_id = $1", user.ledger.subject_id, 90 * DAY)
    await prove(invoice["id"])
    assert (await read_proof(user, invoice["id"]))["proofs"] == []
    await billing.rows.execute(f"{hide} WHERE subject_id = $1", user.ledger.subject_id, -90 * DAY)
    assert invoice["id"] not in await proofs.list_due(10_000)  # for a minute
    fault = {"kind": "status", "status": 500, "remaining": 3}
    billing.stripe.control("faults", path=f"/v1/invoices/{invoice['id']}", **fault)
    try:
        await prove(invoice["id"])
    finally:
        billing.stripe.clear("faults")
    assert read_invoice(user)["metadata"] == {}
    await prove(invoice["id"])
    assert verify(await read_proof(user, invoice["id"]), read_invoice(user)) == []


async def test_an_invoice_without_usage_needs_no_proof(billing: Billing) -> None:
    user = await subscribe(build_metering(billing), START)
    invoice = read_invoice(user)
    await build_prove(billing)(invoice["id"])
    assert (await read_proof(user, invoice["id"]))["proofs"] == []
    assert invoice["id"] not in await billing.parts.proving.proofs.list_due(10_000)


async def test_usage_of_a_final_invoice_is_credited_also_within_a_day(billing: Billing) -> None:
    """The meter event could still be cancelled, but the invoice would not change any more."""
    user = await subscribe(build_metering(billing), START)
    await user.advance_to(START + 10 * DAY)
    await user.use(4)
    await user.end_period(await user.preview())
    job_id = user.ledger.events[0].job_id
    assert job_id is not None
    assert (await user.metering.correct.record(job_id, "It was empty.")).means == "credit_note"
    await build_prove(billing)(read_invoice(user)["id"])
    assert verify(await read_proof(user, read_invoice(user)["id"]), read_invoice(user)) == []
