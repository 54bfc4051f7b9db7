"""Agent runs as the service agents stores them, and their frames as it publishes them."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg

# Characters of one to four bytes: a place in a text counts characters.
QUOTE = "Opened items may be returned within 30 days, if they are “unspoilt”, for 9 €."
TEXT = f"Our shop 🪑. {QUOTE} Keep the receipt 🧾. Bye."
FORM = {
    "type": "object",
    "additionalProperties": False,
    "required": ["size"],
    "properties": {"size": {"type": "string", "maxLength": 10}, "count": {"type": "integer"}},
}


class Place(NamedTuple):
    sha256: str
    start: int
    end: int


PASSAGE = Place(
    hashlib.sha256(TEXT.encode()).hexdigest(), TEXT.index(QUOTE), TEXT.index(QUOTE) + len(QUOTE)
)


class PlantedRun(NamedTuple):
    id: UUID
    approval_id: UUID
    question_id: UUID

    @property
    def passage(self) -> str:
        return f"/agents/runs/{self.id}/passages/{PASSAGE.sha256}"


async def insert(rows: asyncpg.Connection, table: str, **values: object) -> None:
    places = ", ".join(f"${number + 1}" for number in range(len(values)))
    names = ", ".join(values)
    query = f"INSERT INTO agents.{table} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING"
    await rows.execute(query, *values.values())


async def plant_run(
    rows: asyncpg.Connection,
    user_id: UUID,
    *,
    run_id: UUID | None = None,
    steps: Sequence[str] = ("plan", "browse", "answer"),
    **changes: object,
) -> PlantedRun:
    """Plant a run that has read a text, answered from it, and asks two things of its user."""
    run_id, approval_id, question_id = run_id or uuid4(), uuid4(), uuid4()
    citation = {
        "url": "https://shop.example/returns",
        **PASSAGE._asdict(),
        "quote": QUOTE,
        "job_id": str(uuid4()),
    }
    began = datetime.now(UTC) - timedelta(seconds=90)
    run = {
        "workflow_type": "research",
        "plan": "FREE",
        "title": "Which shop takes back opened chairs?",
        "params": json.dumps({"question": "Which?", "seeds": ["https://shop.example/"]}),
        "fence": uuid4(),
        "graph_fingerprint": "1",
        "max_steps": 20,
        "max_tokens": 60_000,
        "max_cost_micro_usd": 250_000,
        "max_seconds": 900,
        "steps": 3,
        "tokens_in": 900,
        "tokens_out": 80,
        "tokens_lost": 20,
        "tokens_reserved": 2_000,
        "cost_micro_usd": 9_400,
        "cost_reserved_micro_usd": 1_000,
        "model_calls": 2,
        "child_jobs": 1,
        "answer": json.dumps({"answer": "Example Shop [1].", "citations": [citation]}),
        "started_at": began,
        "deadline_at": began + timedelta(seconds=900),
    }
    await insert(rows, "runs", id=run_id, user_id=user_id, **(run | changes))
    for seq, kind in enumerate(steps):
        await insert(
            rows,
            "steps",
            run_id=run_id,
            user_id=user_id,
            seq=seq,
            key=str(seq),
            kind=kind,
            state="done",
            title=f"Step {seq}",
            started_at=began,
            finished_at=began,
        )
    await insert(
        rows,
        "documents",
        user_id=user_id,
        sha256=PASSAGE.sha256,
        url=citation["url"],
        text=TEXT,
    )
    for id_, kind, form in ((approval_id, "approval", {}), (question_id, "answer", FORM)):
        await insert(
            rows,
            "approvals",
            id=id_,
            run_id=run_id,
            user_id=user_id,
            call_key=kind,
            kind=kind,
            title="May it?",
            text="It sends a form, once.",
            form=json.dumps(form),
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )
    return PlantedRun(run_id, approval_id, question_id)
