"""Verifies the proof of an invoice, with Python 3.11 and the package cryptography alone.

The proof is the file that the API answers at /api/v1/billing/invoices/{id}/proof. The invoice, as
Stripe answers it, has in its metadata the head that Stripe was given when it became final. The exit
code is 0 where all agrees, 1 where the output names what does not, and 2 for an unreadable file.
"""

import argparse
import hashlib
import json
import struct
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Json: TypeAlias = dict[str, Any]
Link: TypeAlias = list[Any]
FORMAT, FINGERPRINT = "msaas-invoice-proof/1", 8
LAYOUT = struct.Struct(">16sQ16sqq32s")
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def hash_entry(subject: bytes, link: Link, previous: str) -> str:
    """Return SHA-256 over subject, seq, job, quantity, microseconds since 1970, previous hash."""
    seq, job, quantity, occurred_at, _ = link
    micros = (datetime.fromisoformat(occurred_at) - EPOCH) // MICROSECOND
    job_id = UUID(job or "0" * 32).bytes
    packed = LAYOUT.pack(subject, seq, job_id, quantity, micros, bytes.fromhex(previous))
    return hashlib.sha256(packed).hexdigest()


def find_problem(statement: Json, links: list[Link]) -> str | None:
    """Return the first entry that is not the signed one; those that follow it prove nothing."""
    subject, previous = UUID(statement["subject"]).bytes, statement["head_before"]
    signed = range(statement["first_seq"], statement["last_seq"] + 1)
    seqs = {link[0] for link in links}
    for at, seq in enumerate(signed):
        if seq not in seqs:
            return f"entry {seq} is missing"
        if links[at][0] != seq:
            return f"row {at + 1} (entry {links[at][0]}) is added, or is not in its order"
        start = at * FINGERPRINT
        fingerprint = statement["fingerprints"][start : start + FINGERPRINT]
        if problem := check_entry(subject, links[at], previous, fingerprint):
            return f"entry {seq} {problem}"
        previous = links[at][4]
    if len(links) > len(signed):
        return f"row {len(signed) + 1} (entry {links[len(signed)][0]}) is added"
    return None if previous == statement["head_after"] else f"entry {signed[-1]} is not the last"


def check_entry(subject: bytes, link: Link, previous: str, fingerprint: str) -> str | None:
    try:
        computed = hash_entry(subject, link, previous)
    except (ValueError, TypeError, AttributeError, IndexError, OverflowError, struct.error):
        return "cannot be read"
    if computed != link[4]:
        return "is not what its hash says"
    return None if computed[:FINGERPRINT] == fingerprint else "is not the one that was signed"


def count_units(statement: Json, links: list[Link]) -> int:
    skipped = {seq for first, last in statement["uncharged"] for seq in range(first, last + 1)}
    return sum(link[2] for link in links if link[0] not in skipped)


def check_proof(proof: Json, statement: Json, pinned: str | None) -> Iterator[str]:
    try:
        key, signature = pinned or statement["public_key"], bytes.fromhex(proof["signature"])
        public_key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public_key.verify(signature, proof["statement"].encode())
    except (InvalidSignature, ValueError):
        yield f"the signature of the statement about {statement['subject']} is not valid"
        return
    if problem := find_problem(statement, proof["links"]):
        yield problem
    elif (units := count_units(statement, proof["links"])) != statement["quantity"]:
        yield f"the entries charge {units} units, and the statement {statement['quantity']}"


def check_charges(invoice_id: str, statements: list[Json]) -> Iterator[str]:
    lines, units = statements[0]["lines"], sum(each["quantity"] for each in statements)
    if any(each["invoice"] != invoice_id or each["lines"] != lines for each in statements):
        yield "the statements are about different invoices"
    if len({each["subject"] for each in statements}) != len(statements):
        yield "two statements are about the same usage"
    if sum(line[1] for line in lines) != units:
        yield f"the lines charge {sum(line[1] for line in lines)} units, and the entries {units}"
    for line_id, quantity, unit_amount, amount in lines:
        due = (Decimal(unit_amount) * quantity).quantize(Decimal(1), ROUND_HALF_UP)
        if due != amount:
            yield f"line {line_id} charges {amount}, but {quantity} times {unit_amount} is {due}"


def check_stripe(invoice: Json, id_: str, statements: list[Json]) -> Iterator[str]:
    if invoice["id"] != id_:
        yield f"Stripe's invoice is {invoice['id']}, not {id_}"
    for each in statements:
        copy = invoice["metadata"].get(f"usage_{UUID(each['subject']).hex}")
        if copy != f"{each['last_seq']}:{each['head_after']}":
            yield f"Stripe holds {copy} as the end of the chain {each['subject']}"
    charged = {line["id"]: line["amount"] for line in invoice["lines"]["data"]}
    for line_id, _, _, amount in statements[0]["lines"]:
        if charged.get(line_id) != amount:
            yield f"Stripe charges {charged.get(line_id)} for line {line_id}, not {amount}"


def verify(proof: Json, invoice: Json | None, pinned: str | None) -> list[str]:
    if proof["format"] != FORMAT or not proof["proofs"]:
        return ["this is no proof of an invoice's usage"]
    statements = [json.loads(each["statement"]) for each in proof["proofs"]]
    problems = [
        problem
        for each, statement in zip(proof["proofs"], statements, strict=True)
        for problem in check_proof(each, statement, pinned)
    ]
    problems += check_charges(proof["invoice"], statements)
    return problems + list(check_stripe(invoice, proof["invoice"], statements) if invoice else ())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("proof", type=Path)
    parser.add_argument("--invoice", type=Path, help="the invoice as Stripe answers it, as JSON")
    parser.add_argument("--public-key", help="the key that you trust; else the file's own is used")
    given = parser.parse_args()
    try:
        proof = json.loads(given.proof.read_bytes())
        invoice = json.loads(given.invoice.read_bytes()) if given.invoice else None
        problems = verify(proof, invoice, given.public_key)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        print(f"unreadable: {type(error).__name__}: {error}")
        return 2
    for each in map(json.loads, [part["statement"] for part in proof["proofs"] if not problems]):
        print(f"ok: entries {each['first_seq']} to {each['last_seq']}, {each['quantity']} units")
        print(f"signed by {each['public_key']}, head {each['head_after']}")
    for problem in problems:
        print(f"not ok: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
