"""Invoices in pages, the jobs behind them, and a proof that the verifier accepts as it is."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import asyncpg
from services.gateway.tests.conftest import SignIn
from services.gateway.tests.invoice_rows import START, plant_invoice

VERIFIER = Path(__file__).parents[4] / "deploy/verify/verify_invoice.py"


async def verify(file: Path) -> str:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(VERIFIER), str(file)), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await program.communicate()
    return output.decode()


async def test_invoices_are_listed_in_pages_and_show_the_jobs_that_they_charge(
    sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user, other = await sign_in(), await sign_in()
    for each in (user, other):
        await each.request("GET", "/me")
    planted = [
        await plant_invoice(rows, user.id, 24, at=START + timedelta(days=31 * month))
        for month in range(5)
    ]
    foreign = await plant_invoice(rows, other.id)
    found: list[str] = []
    cursor = None
    while True:
        page = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = (await user.request("GET", "/billing/invoices", params=page)).json()
        found += [invoice["id"] for invoice in answer["items"]]
        assert all(invoice["has_proof"] for invoice in answer["items"])
        if (cursor := answer["next_cursor"]) is None:
            break
    assert found == [invoice.id for invoice in reversed(planted)]

    invoice = (await user.request("GET", f"/billing/invoices/{planted[2].id}")).json()
    [line] = invoice["lines"]
    assert (line["is_metered"], line["quantity"], line["amount"]) == (True, 24, 12)
    jobs = invoice["jobs"]["items"]
    rest = await user.request(
        "GET",
        f"/billing/invoices/{planted[2].id}/jobs",
        params={"cursor": invoice["jobs"]["next_cursor"]},
    )
    jobs += rest.json()["items"]
    assert rest.json()["next_cursor"] is None
    assert [job["job_id"] for job in jobs] == [str(id_) for id_ in planted[2].job_ids]
    assert {job["line_id"] for job in jobs} == {planted[2].line_id}

    for path in ("", "/jobs", "/proof"):
        refused = await user.request("GET", f"/billing/invoices/{foreign.id}{path}")
        assert refused.status_code == 404
    past_a_foreign_one = await user.request(
        "GET", "/billing/invoices", params={"cursor": foreign.id}
    )
    assert past_a_foreign_one.json()["items"] == []


async def test_the_answered_proof_is_verified_as_it_is(
    sign_in: SignIn, rows: asyncpg.Connection, tmp_path: Path
) -> None:
    user = await sign_in()
    await user.request("GET", "/me")
    planted = await plant_invoice(rows, user.id, 5_500)  # more than a page of entries
    answer = await user.request("GET", f"/billing/invoices/{planted.id}/proof")
    assert answer.status_code == 200
    file = tmp_path / "proof.json"
    file.write_bytes(answer.content)
    assert (await verify(file)).startswith("ok: entries 1 to 5501, 5500 units")
    file.write_bytes(answer.content.replace(str(planted.job_ids[7]).encode(), b"0" * 32))
    assert (await verify(file)).startswith("not ok: entry ")

    await rows.execute("UPDATE billing.invoice_proofs SET metadata_written_at = NULL")
    early = await user.request("GET", f"/billing/invoices/{planted.id}/proof")
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
