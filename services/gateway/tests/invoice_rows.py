"""An invoice as billing stores it, with the usage that it charges and a signed proof."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from msaas.contracts import USAGE_GENESIS, usage_hash

START = datetime(2026, 3, 1, 8, 30, 0, 123_456, tzinfo=UTC)
MONTH = timedelta(days=31)
KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"test").digest())


@dataclass(frozen=True, kw_only=True)
class PlantedInvoice:
    id: str
    line_id: str
    job_ids: list[UUID]
    corrected: UUID


async def insert(rows: asyncpg.Connection, table: str, **values: object) -> None:
    places = ", ".join(f"${number + 1}" for number in range(len(values)))
    names = ", ".join(values)
    await rows.execute(f"INSERT INTO billing.{table} ({names}) VALUES ({places})", *values.values())


async def plant_invoice(
    rows: asyncpg.Connection, user_id: UUID, jobs: int = 4, *, at: datetime = START
) -> PlantedInvoice:
    """Plant an invoice of some jobs; one more was corrected before, and is not charged."""
    customer = await rows.fetchrow(
        "SELECT a.id, c.subject_id, c.last_seq, encode(c.head, 'hex') AS head"
        " FROM billing.accounts a JOIN billing.usage_chains c ON c.account_id = a.id"
        " WHERE a.user_id = $1",
        user_id,
    )
    if customer is None:
        account_id, subject_id, last_seq, previous = uuid4(), uuid4(), 0, USAGE_GENESIS
        await insert(rows, "accounts", id=account_id, user_id=user_id, livemode=False)
        await insert(
            rows, "usage_chains", subject_id=subject_id, user_id=user_id, account_id=account_id
        )
    else:
        account_id, subject_id = customer["id"], customer["subject_id"]
        last_seq, previous = customer["last_seq"], customer["head"]
    invoice_id, line_id, report_id, head_before = str(uuid4()), "il_1", uuid4(), previous
    links: list[tuple[int, UUID, datetime, str, str]] = []
    for number in range(jobs + 1):
        seq, job_id, when = last_seq + 1 + number, uuid4(), at + timedelta(minutes=number)
        digest = usage_hash(subject_id, seq, job_id, 1, when, previous)
        links.append((seq, job_id, when, previous, digest))
        previous = digest
    head, first_seq, corrected = bytes.fromhex(previous), last_seq + 1, links[1]
    last_seq = links[-1][0]
    await insert(
        rows,
        "meter_reports",
        id=report_id,
        identifier=f"usage_{report_id.hex}",
        account_id=account_id,
        subject_id=subject_id,
        stripe_customer_id=f"cus_{account_id.hex}",
        quantity=jobs,
        meter_timestamp=at,
        period_start=at,
        first_seq=first_seq,
        last_seq=last_seq,
        head=head,
        state="REPORTED",
        first_sent_at=at,
        reported_at=at,
    )
    columns = (
        *("subject_id", "seq", "kind", "job_id", "quantity", "plan", "occurred_at"),
        *("period_start", "prev_hash", "hash", "billing", "report_id"),
    )
    await rows.copy_records_to_table(
        "usage_events",
        schema_name="billing",
        columns=columns,
        records=[
            (
                *(subject_id, seq, "job_completed", job_id, 1, "PRO", when, at),
                *(bytes.fromhex(before), bytes.fromhex(digest), "assigned", report_id),
            )
            for seq, job_id, when, before, digest in links
        ],
    )
    await insert(
        rows,
        "corrections",
        id=uuid4(),
        account_id=account_id,
        subject_id=subject_id,
        job_id=corrected[1],
        revision=1,
        quantity=-1,
        reason="It was empty.",
        period_start=at,
        means="meter_adjustment",
        state="APPLIED",
        applied_at=at,
    )
    amount = (jobs + 1) // 2
    await insert(
        rows,
        "invoices",
        stripe_invoice_id=invoice_id,
        account_id=account_id,
        user_id=user_id,
        status="paid",
        currency="usd",
        total=amount,
        amount_due=amount,
        amount_paid=amount,
        amount_remaining=0,
        period_start=at,
        period_end=at + MONTH,
        finalized_at=at + MONTH,
        fetched_version=1,
        created_at=at + MONTH,
    )
    await insert(
        rows,
        "invoice_lines",
        stripe_invoice_id=invoice_id,
        line_id=line_id,
        user_id=user_id,
        amount=amount,
        quantity=jobs,
        unit_amount="0.5",
        is_metered=True,
        period_start=at,
        period_end=at + MONTH,
    )
    statement = json.dumps(
        {
            "version": 1,
            "invoice": invoice_id,
            "lines": [[line_id, jobs, "0.5", amount]],
            "subject": str(subject_id),
            "first_seq": first_seq,
            "last_seq": last_seq,
            "head_before": head_before,
            "head_after": previous,
            "quantity": jobs,
            "uncharged": [[corrected[0], corrected[0]]],
            "fingerprints": "".join(link[4][:8] for link in links),
            "key_id": "test",
            "public_key": KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex(),
        }
    )
    await insert(
        rows,
        "invoice_proofs",
        stripe_invoice_id=invoice_id,
        subject_id=subject_id,
        first_seq=first_seq,
        last_seq=last_seq,
        quantity=jobs,
        head_before=bytes.fromhex(head_before),
        head_after=head,
        key_id="test",
        signature=KEY.sign(statement.encode()),
        statement=statement,
        metadata_written_at=at + MONTH,
    )
    await rows.execute(
        "UPDATE billing.usage_chains SET last_seq = $2, highest_seq = $2, head = $3"
        " WHERE subject_id = $1",
        *(subject_id, last_seq, head),
    )
    charged = [link[1] for link in links if link is not corrected]
    return PlantedInvoice(
        id=invoice_id, line_id=line_id, job_ids=sorted(charged), corrected=corrected[1]
    )
