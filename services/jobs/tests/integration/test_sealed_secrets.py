"""A secret reaches its worker, and is readable nowhere on the way."""

import base64
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from services.jobs.tests.support import (
    AddUser,
    BuildJob,
    FakeWorkerQueue,
    Gateway,
    ReadEnvelopes,
    RunCommands,
    RunTick,
    StartService,
)

from msaas.contracts import MAX_DATA, JobEnvelope, Plan, SubmitJob
from msaas.jobs.settings import LOCAL_SEALING_KEY
from msaas.kernel import new_id
from msaas.sealing import PrivateKey, Sealer
from msaas.testing import wait_until

SEALER = Sealer(PrivateKey.parse(LOCAL_SEALING_KEY).public)
SECRET = "hunter2-planted"  # the secret text that no store may contain


@pytest.fixture
def submit_secret(submit_job: BuildJob, user: UUID) -> Callable[..., SubmitJob]:
    """Seal as the gateway does: for one job and one field."""

    def build(sealer: Sealer = SEALER, field: str = "secret") -> SubmitJob:
        job_id = new_id()
        sealed = sealer.seal(SECRET, str(job_id), field)
        return submit_job(
            user, plan=Plan.PRO, job_id=job_id, payload={"message": "x", "secret": sealed}
        )

    return build


async def test_a_worker_gets_the_secret_and_the_database_does_not(
    run_commands: RunCommands,
    submit_secret: BuildJob,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(submit_secret())
    await run_tick()
    [envelope] = workers.sent
    assert envelope.payload == {"message": "x", "secret": SECRET}
    assert SECRET not in str(await rows.fetch("SELECT jobs::text FROM jobs.jobs"))


async def test_a_seal_that_does_not_open_fails_its_job_and_stops_no_other(
    run_commands: RunCommands, submit_secret: BuildJob, run_tick: RunTick, workers: FakeWorkerQueue
) -> None:
    unknown = Sealer(PrivateKey.generate().public)
    bad, moved, good = submit_secret(unknown), submit_secret(field="other"), submit_secret()
    await run_commands(bad, moved, good)
    await run_tick()
    assert [sent.job_id for sent in workers.sent] == [good.job_id]
    assert workers.undeliverable.keys() == {bad.job_id, moved.job_id}
    assert SECRET not in str(workers.undeliverable)


async def test_such_a_job_ends_as_failed_for_good(
    start_service: StartService, gateway: Gateway, submit_secret: BuildJob, rows: asyncpg.Connection
) -> None:
    await start_service()
    bad = submit_secret(Sealer(PrivateKey.generate().public))
    await gateway.call(bad)

    async def find_failed() -> Any:
        return await rows.fetchrow("SELECT * FROM jobs.jobs WHERE status = 'FAILED'")

    row = await wait_until(find_failed)
    assert (row["failure_reason"], row["reserved"]) == ("invalid_payload", False)


@pytest.mark.parametrize("kind", ["nul", "low order", "oversize"])
async def test_a_job_whose_envelope_cannot_be_written_fails_and_stops_no_other(
    start_service: StartService,
    gateway: Gateway,
    submit_job: BuildJob,
    add_user: AddUser,
    rows: asyncpg.Connection,
    read_envelopes: ReadEnvelopes,
    kind: str,
) -> None:
    """All are submitted before they are due, and picked in one tick."""
    await start_service()
    later, job_id = datetime.now(UTC) + timedelta(hours=1), new_id()
    key = PrivateKey.parse(LOCAL_SEALING_KEY).public
    low_order = base64.urlsafe_b64encode(bytes(64)).decode()
    secret = {
        "nul": SEALER.seal("a\0b", str(job_id), "secret"),
        "low order": {"$sealed": f"v1.{key.id}.{low_order}"},
        "oversize": None,
    }[kind]
    bad = submit_job(
        await add_user(), job_id=job_id, run_at=later, payload={"message": "x", "secret": secret}
    )
    others = [submit_job(await add_user(), run_at=later) for _ in range(3)]
    for command in (bad, *others):
        assert (await gateway.call(command)).ok
    if kind == "oversize":
        sql = "UPDATE jobs.jobs SET payload = jsonb_build_object('message', $2::text) WHERE id = $1"
        await rows.execute(sql, job_id, "x" * (MAX_DATA - 100))
    await rows.execute("UPDATE jobs.jobs SET run_at = now()")

    async def find_failed() -> Any:
        return await rows.fetchrow("SELECT * FROM jobs.jobs WHERE status = 'FAILED'")

    row = await wait_until(find_failed)
    assert (row["id"], row["failure_reason"]) == (job_id, "invalid_payload")
    assert (row["reserved"], row["last_error"] is None) == (False, False)

    async def are_sent() -> bool:
        sent = {envelope.job_id for envelope in await read_envelopes()}
        return sent == {command.job_id for command in others}

    await wait_until(are_sent)


async def test_only_the_envelope_contains_the_sealed_secret(
    start_service: StartService,
    gateway: Gateway,
    submit_secret: BuildJob,
    read_topic: Callable[[str], Awaitable[Sequence[Any]]],
    read_envelopes: Callable[[], Awaitable[Sequence[JobEnvelope]]],
) -> None:
    await start_service()
    await gateway.call(submit_secret())
    [envelope] = await wait_until(read_envelopes)
    assert envelope.payload["secret"] == SECRET
    assert SECRET not in str(await read_topic("jobs.events"))
