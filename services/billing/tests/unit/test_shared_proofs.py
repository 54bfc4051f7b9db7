"""The verifier and the dashboard answer the same about the same files, mutations of one proof.

The dashboard reads the file in its own tests. A text or a row that several mutations share stands
in it once. `PYTHONPATH=deploy/local/stripe/tests/support python -m` this module writes it again.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from services.billing.tests.unit.test_invoice_verifier import (
    SIGNER,
    VERIFIER,
    build_proof,
    mutate,
)

Json = dict[str, Any]
FILE = Path(__file__).parents[4] / "frontend/tests/unit/invoice-proofs.json"
UNREADABLE = (ValueError, KeyError, TypeError, IndexError, AttributeError)
COLUMNS = ("seq", "job", "quantity", "occurred_at", "hash")
LONG = 60


def answer(proof: Json) -> list[str] | None:
    """Return what the verifier names, or None where it cannot read the file."""
    try:
        problems: list[str] = VERIFIER.verify(proof, None, None)
    except UNREADABLE:
        return None
    return problems


def sign(proof: Json, **changes: object) -> Json:
    """Return the proof with another statement that is signed as well."""
    signed = copy.deepcopy(proof)
    [part] = signed["proofs"]
    part["statement"] = json.dumps({**json.loads(part["statement"]), **changes})
    part["signature"] = SIGNER.sign(part["statement"].encode()).hex()
    return signed


def change_link(proof: Json, at: int, column: int, value: object) -> Json:
    changed = copy.deepcopy(proof)
    changed["proofs"][0]["links"][at][column] = value
    return changed


def change_files(proof: Json) -> Iterator[tuple[str, Json]]:
    """Yield files whose statement, signature or form is another one."""
    [part] = proof["proofs"]
    yield "nothing", proof
    yield "another format", {**proof, "format": "other/1"}
    yield "no proofs", {**proof, "proofs": []}
    yield "no field proofs", {"format": proof["format"], "invoice": "in_1"}
    yield "no statement", {**proof, "proofs": [{**part, "statement": "x"}]}
    yield "another signature", {**proof, "proofs": [{**part, "signature": "00" * 64}]}
    yield "no signature", {**proof, "proofs": [{**part, "signature": "none"}]}
    yield "another text", {**proof, "proofs": [{**part, "statement": part["statement"] + " "}]}
    yield "another invoice", {**proof, "invoice": "in_2"}
    yield "twice", {**proof, "proofs": [part, part]}
    for quantity, price, amount in ((99, "0.5", 50), (8, "0.5", 4), (9, "1.05", 9), (9, "3", 27)):
        line = ["il_1", quantity, price, amount]
        yield f"signed line {line}", sign(proof, lines=[line])
    others: Json = {
        "quantity": 10,
        "head_before": "1" * 64,
        "head_after": "1" * 64,
        "uncharged": [],
        "last_seq": 9,
        "fingerprints": "0" * 80,
        "public_key": "00" * 32,
    }
    for name, value in others.items():
        yield f"signed {name}", sign(proof, **{name: value})
    for name in ("first_seq", "uncharged", "lines", "public_key"):
        statement = json.loads(part["statement"])
        del statement[name]
        text = json.dumps(statement)
        signature = SIGNER.sign(text.encode()).hex()
        parts = [{**part, "statement": text, "signature": signature}]
        yield f"signed without {name}", {**proof, "proofs": parts}
    yield "a job that is no id", change_link(proof, 2, 1, "none")
    yield "a job without an id", change_link(proof, 2, 1, None)
    yield "a time without a zone", change_link(proof, 2, 3, "2027-06-03T09:00:02.123456")
    yield "a day that does not exist", change_link(proof, 2, 3, "2027-02-30T09:00:02.123456+00:00")
    yield "a quantity that is text", change_link(proof, 2, 2, "1")
    yield "a quantity that is half", change_link(proof, 2, 2, 0.5)
    yield "a hash that is no text", change_link(proof, 2, 4, 7)
    yield "the same time elsewhere", change_link(proof, 2, 3, "2027-06-03T11:00:02.123456+02:00")


def build_cases() -> list[Json]:
    proof, _ = build_proof(10)
    files = [*change_files(proof), *((what, mutated) for what, mutated, _ in mutate(proof))]
    return [{"what": what, "file": file, "problems": answer(file)} for what, file in files]


def pack(value: object, shared: list[object]) -> Any:
    """Return the value with references to what is shared: long texts and whole rows."""
    if isinstance(value, dict):
        members = cast("Json", value)
        return {name: pack(member, shared) for name, member in members.items()}
    if (isinstance(value, str) and len(value) > LONG) or is_row(value):
        if value not in shared:
            shared.append(value)
        return {"$": shared.index(value)}
    if isinstance(value, list):
        return [pack(member, shared) for member in cast("list[Any]", value)]
    return value


def unpack(value: object, shared: list[object]) -> Any:
    if isinstance(value, dict):
        members = cast("Json", value)
        reference: int | None = members.get("$")
        if reference is not None:
            return shared[reference]
        return {name: unpack(member, shared) for name, member in members.items()}
    if isinstance(value, list):
        return [unpack(member, shared) for member in cast("list[Any]", value)]
    return value


def is_row(value: object) -> bool:
    if not isinstance(value, list):
        return False
    row = cast("list[Any]", value)
    return len(row) == len(COLUMNS) and isinstance(row[0], int)


def write_cases() -> None:
    shared: list[object] = []
    cases = pack(build_cases(), shared)
    lines = (",\n".join(map(json.dumps, each)) for each in (shared, cases))
    FILE.write_text('{{"shared": [\n{}\n], "cases": [\n{}\n]}}\n'.format(*lines))


@pytest.fixture(scope="module")
def cases() -> list[Json]:
    stored: Json = json.loads(FILE.read_text())
    unpacked: list[Json] = unpack(stored["cases"], stored["shared"])
    return unpacked


def test_the_stored_answers_are_those_of_the_verifier(cases: list[Json]) -> None:
    assert [answer(case["file"]) for case in cases] == [case["problems"] for case in cases]


def test_the_stored_files_hold_every_mutation(cases: list[Json]) -> None:
    proof = cases[0]["file"]
    names = [what for what, _ in change_files(proof)] + [what for what, *_ in mutate(proof)]
    assert [case["what"] for case in cases] == names
    problems = {problem for case in cases for problem in case["problems"] or ["unreadable"]}
    assert len(problems) > len("0123456789") * 3


if __name__ == "__main__":
    write_cases()
