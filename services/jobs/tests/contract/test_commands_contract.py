"""The service accepts the committed samples of its commands, and publishes what it declares."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
from services.jobs.tests.support import BuildJob, RunCommands

from msaas.contracts import CancelJob, JobChanged, SubmitJob, decode, get_topic
from msaas.jobs.bootstrap import SERVICE
from msaas.jobs.entrypoints.topics import commands

SAMPLES = Path(__file__).parents[4] / "contracts" / "samples" / "v1"


def entry_of(name: str) -> dict[bytes, bytes]:
    return {
        b"id": b"01938e5a-7c00-7000-8000-0000000000aa",
        b"type": name.encode(),
        b"v": b"1",
        b"correlation_id": b"test",
        b"ts": datetime(2026, 1, 1, tzinfo=UTC).isoformat().encode(),
        b"data": (SAMPLES / f"{name}.json").read_bytes(),
        b"reply_to": b"msaas:test:reply:gateway-1",
    }


async def test_the_committed_samples_are_settled(
    run_commands: RunCommands, rows: asyncpg.Connection
) -> None:
    topic = get_topic(commands.TOPIC)
    batch = [decode(topic, entry_of(name)).message for name in ("SubmitJob", "CancelJob")]
    submit, cancel = batch
    assert isinstance(submit, SubmitJob)
    assert isinstance(cancel, CancelJob)
    sql = "INSERT INTO identity.users (id, email) VALUES ($1, 'sample@example.com')"
    await rows.execute(sql, submit.user_id)
    processed = await run_commands(submit, cancel)
    assert [outcome.reply["status"] for outcome in processed.outcomes] == ["PENDING", "CANCELLED"]
    stored = await rows.fetchval("SELECT payload FROM jobs.jobs")
    assert json.loads(stored) == json.loads((SAMPLES / "SubmitJob.json").read_text())["payload"]


async def test_it_asks_for_no_topic_that_the_registry_does_not_grant() -> None:
    assert SERVICE in get_topic(commands.TOPIC).consumers


async def test_published_messages_match_the_contract(
    run_commands: RunCommands, submit_job: BuildJob, user: UUID
) -> None:
    processed = await run_commands(submit_job(user))
    [outgoing] = [snapshot.to_event() for snapshot in processed.snapshots]
    read = JobChanged.model_validate_json(outgoing.message.model_dump_json())
    assert read == outgoing.message
    assert JobChanged in get_topic(outgoing.topic).messages
