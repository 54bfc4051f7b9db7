"""Whatever is done to the rows of a proof, the verifier names the row; each mutation is tried."""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.billing.tests.metering_support import Ledger
from services.billing.tests.verifier import FILE, load_verifier

from msaas.billing.adapters.signing import Ed25519Signer
from msaas.billing.domain.proofs import (
    ChainEntry,
    ChainSection,
    InvoiceToProve,
    ProvableLine,
    SignedProof,
    build_metadata,
    build_statement,
)
from msaas.billing.settings import LOCAL_PROOF_KEY
from msaas.contracts import USAGE_GENESIS, usage_hash

Json = dict[str, Any]
SIGNER = Ed25519Signer(LOCAL_PROOF_KEY)
VERIFIER = load_verifier()
AT = datetime(2027, 6, 3, 9, 0, 0, 123_456, tzinfo=UTC)
UNCHARGED = 7


def build_proof(rows: int, *, first: int = 1) -> tuple[Json, Json]:
    """Return a proof, whose entry 7 is not charged, and the invoice as Stripe has it."""
    ledger = Ledger(user_id=uuid4())
    for number in range(rows + first - 1):
        ledger.add(at=AT + timedelta(seconds=number))
    section = ChainSection(subject_id=ledger.subject_id)
    events = ledger.events[first - 1 :]
    section.add(
        ChainEntry(
            seq=event.seq,
            quantity=event.quantity,
            prev_hash=event.prev_hash,
            hash=event.hash,
            charged=event.seq != UNCHARGED,
        )
        for event in events
    )
    amount = (section.quantity + 1) // 2
    line = ProvableLine(id="il_1", quantity=section.quantity, unit_amount="0.5", amount=amount)
    invoice = InvoiceToProve(id="in_1", lines=[line], proofs=[])
    statement = build_statement(invoice, section, SIGNER.key_id, SIGNER.public_key)
    signature = SIGNER.sign(statement.encode())
    signed = SignedProof(
        subject_id=section.subject_id,
        first_seq=section.first_seq,
        last_seq=section.last_seq,
        quantity=section.quantity,
        head_before=section.head_before,
        head_after=section.head_after,
        key_id=SIGNER.key_id,
        statement=statement,
        signature=signature,
    )
    proof = {
        "format": "msaas-invoice-proof/1",
        "invoice": "in_1",
        "proofs": [
            {
                "statement": statement,
                "signature": signature.hex(),
                "links": [
                    [e.seq, str(e.job_id), e.quantity, e.occurred_at.isoformat(), e.hash]
                    for e in events
                ],
            }
        ],
    }
    at_stripe = {
        "id": "in_1",
        "metadata": build_metadata([signed]),
        "lines": {"data": [{"id": "il_1", "amount": amount}]},
    }
    return proof, at_stripe


def verify(proof: Json, at_stripe: Json | None = None) -> list[str]:
    problems: list[str] = VERIFIER.verify(proof, at_stripe, SIGNER.public_key)
    return problems


def rehash(proof: Json, start: int) -> None:
    """Make the hashes fit again from a row on, as one who forges the whole chain would."""
    [part] = proof["proofs"]
    statement, links = json.loads(part["statement"]), part["links"]
    subject = UUID(statement["subject"])
    for at in range(start, len(links)):
        previous = links[at - 1][4] if at else statement["head_before"]
        seq, job_id, quantity, occurred_at, _ = links[at]
        when = datetime.fromisoformat(occurred_at)
        links[at][4] = usage_hash(subject, seq, UUID(job_id), quantity, when, previous)


def mutate(proof: Json) -> Iterator[tuple[str, Json, set[int]]]:
    """Yield each mutation, and the entries of which the verifier has to name one."""
    links = proof["proofs"][0]["links"]
    later = (AT + timedelta(microseconds=1)).isoformat()
    changes = {1: str(uuid4()), 2: 2, 3: later, 4: "0" * 64}
    for at, (seq, *_) in enumerate(links):
        for column, value in changes.items():
            tampered = copy.deepcopy(proof)
            tampered["proofs"][0]["links"][at][column] = value
            if tampered != proof:
                yield f"field {column} of {seq}", tampered, {seq}
                if column != 4:
                    rehash(tampered, at)
                    yield f"field {column} of {seq}, hashed again", copy.deepcopy(tampered), {seq}
        dropped = copy.deepcopy(proof)
        del dropped["proofs"][0]["links"][at]
        yield f"{seq} dropped", dropped, {seq}
        added = copy.deepcopy(proof)
        row = [seq, str(uuid4()), 1, later, "0" * 64]
        added["proofs"][0]["links"].insert(at, row)
        yield f"a row added before {seq}", added, {seq}
        beyond = copy.deepcopy(proof)
        beyond["proofs"][0]["links"].insert(at, [len(links) + 99, *row[1:]])
        yield f"a row with another number added before {seq}", beyond, {len(links) + 99}
        doubled = copy.deepcopy(proof)
        doubled["proofs"][0]["links"].insert(at, copy.deepcopy(links[at]))
        yield f"{seq} twice", doubled, {seq}
        if at:
            swapped = copy.deepcopy(proof)
            rows = swapped["proofs"][0]["links"]
            rows[at - 1], rows[at] = rows[at], rows[at - 1]
            yield f"{seq} before {seq - 1}", swapped, {seq}
    tail = copy.deepcopy(proof)
    tail["proofs"][0]["links"].append([len(links) + 1, str(uuid4()), 1, later, "0" * 64])
    yield "a row added at the end", tail, {len(links) + 1}


def test_every_mutation_of_a_row_is_named() -> None:
    proof, at_stripe = build_proof(30)
    assert verify(proof, at_stripe) == []
    caught = tried = 0
    for what, mutated, seqs in mutate(proof):
        tried += 1
        problems = verify(mutated)
        named = [seq for seq in seqs if any(f"entry {seq}" in problem for problem in problems)]
        assert named, (what, problems)
        caught += 1
    sys.stdout.write(f"{caught}/{tried} mutations named\n")
    assert caught == tried >= 30 * 10


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_proof_in_the_midst_of_a_chain_survives_no_random_change(data: st.DataObject) -> None:
    proof, at_stripe = build_proof(12, first=data.draw(st.integers(1, 9)))
    assert verify(proof, at_stripe) == []
    mutated = copy.deepcopy(proof)
    links = mutated["proofs"][0]["links"]
    order = data.draw(st.permutations(range(len(links))))
    kept = data.draw(st.integers(0, len(links)))
    mutated["proofs"][0]["links"] = [links[at] for at in order[:kept]]
    assert (verify(mutated) == []) == (mutated == proof)


@pytest.mark.parametrize("name", ["quantity", "head_before", "head_after", "uncharged", "invoice"])
def test_a_changed_statement_is_not_the_signed_one(name: str) -> None:
    proof, _ = build_proof(10)
    [part] = proof["proofs"]
    statement = json.loads(part["statement"])
    others: Json = {"uncharged": [], "quantity": 1}
    statement[name] = others.get(name, "0" * 64)
    part["statement"] = json.dumps(statement)
    assert any("signature" in problem for problem in verify(proof))


def test_stripes_copy_and_the_amount_are_compared() -> None:
    proof, at_stripe = build_proof(10)
    [key] = at_stripe["metadata"]
    changes: list[Json] = [
        {"metadata": {}},
        {"metadata": {key: f"10:{USAGE_GENESIS}"}},
        {"id": "in_2"},
        {"lines": {"data": [{"id": "il_1", "amount": 99}]}},
    ]
    for change in changes:
        assert verify(proof, {**at_stripe, **change}) != []
    other, _ = build_proof(10)
    assert VERIFIER.verify(proof, at_stripe, "00" * 32) != []
    assert verify({**proof, "proofs": other["proofs"]}, at_stripe) != []
    assert verify({**proof, "proofs": [*proof["proofs"], *proof["proofs"]]}) != []


def test_it_runs_by_itself(tmp_path: Path) -> None:
    proof, at_stripe = build_proof(10)
    for name, content in (("proof", proof), ("invoice", at_stripe)):
        (tmp_path / name).write_text(json.dumps(content))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", str(FILE), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    good = run("proof", "--invoice", "invoice", "--public-key", SIGNER.public_key)
    assert (good.returncode, good.stdout.splitlines()[0]) == (0, "ok: entries 1 to 10, 9 units")
    proof["proofs"][0]["links"][3][2] = 5
    (tmp_path / "proof").write_text(json.dumps(proof))
    bad = run("proof")
    assert (bad.returncode, bad.stdout) == (1, "not ok: entry 4 is not what its hash says\n")
    assert run("invoice").returncode == 2
    assert len(FILE.read_text().splitlines()) <= 150
