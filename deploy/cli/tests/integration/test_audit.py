"""The audit finds no violation in a consistent ledger, and finds each planted one."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import asyncpg
import pytest

from msaas.cli import main
from msaas.cli.audit import CHECKS, RowsHidden, Violation, audit
from msaas.local.migrate import migrate

SUBJECT = "11111111-0000-7000-8000-000000000001"
USER = "11111111-0000-7000-8000-000000000002"
OTHER = "11111111-0000-7000-8000-000000000003"
DONE = "11111111-0000-7000-8000-00000000000a"
LIVE = "11111111-0000-7000-8000-00000000000b"
FREE = "11111111-0000-7000-8000-00000000000c"
FAILED = "11111111-0000-7000-8000-00000000000d"
STRAY = "11111111-0000-7000-8000-00000000000e"
EVENT = """
INSERT INTO jobs.usage_events
  (subject_id, seq, user_id, kind, quantity, job_id, period_start, occurred_at, prev_hash, hash)
SELECT subject_id, last_seq + 1, user_id, '{kind}', {quantity}, {job}, '{period}', '2026-01-02Z',
  head, jobs.usage_hash(subject_id, last_seq + 1, {job}, {quantity}, '2026-01-02Z', head)
FROM jobs.subjects WHERE subject_id = '{subject}';
"""
JOB = """
INSERT INTO jobs.jobs (
  id, user_id, task_type, payload, max_attempts, correlation_id, source, billable, usage_period,
  reserved, status, finished_at
) VALUES (
  '{id}', '{user}', 'echo', '{{}}', 3, 'c', 'api', {billable}, '2026-01-01Z', {reserved},
  '{status}', CASE WHEN '{status}' IN ('COMPLETED', 'FAILED') THEN now() END
);
"""


def event(
    job: str | None = DONE,
    *,
    kind: str = "job_completed",
    quantity: int = 1,
    period: str = "2026-01-01Z",
    subject: str = SUBJECT,
) -> str:
    quoted = f"'{job}'::uuid" if job else "NULL::uuid"
    return EVENT.format(job=quoted, kind=kind, quantity=quantity, period=period, subject=subject)


def job(id_: str, status: str, *, billable: bool = True, reserved: bool = False) -> str:
    fields = {"billable": billable, "reserved": reserved, "status": status}
    return JOB.format(id=id_, user=USER, **fields)


def counter(number: int, used: int, reserved: int, start: str = "2026-01-01Z") -> str:
    return (
        "INSERT INTO jobs.usage_counters (id, user_id, subject_id, plan, period_start, period_end,"
        f" jobs_used, jobs_reserved) VALUES ('{STRAY[:-2]}{number:02}', '{USER}', '{SUBJECT}',"
        f" 'PRO', '{start}', '{start}'::timestamptz + interval '1 month', {used}, {reserved});"
    )


LEDGER = f"""
INSERT INTO identity.users (id, email) VALUES ('{USER}', 'a@example.com');
INSERT INTO jobs.subjects (subject_id, user_id, plan, period_start, period_end)
  VALUES ('{SUBJECT}', '{USER}', 'PRO', '2026-01-01Z', '2026-02-01Z');
{counter(1, used=1, reserved=1)}
{counter(2, used=1, reserved=0, start="2025-12-01Z")}
{job(DONE, "COMPLETED")}
{job(LIVE, "PENDING", reserved=True)}
{job(FREE, "COMPLETED", billable=False)}
{job(FAILED, "FAILED")}
{job(STRAY, "COMPLETED")}
UPDATE jobs.jobs SET usage_period = '2025-12-01Z' WHERE id = '{STRAY}';
{event(STRAY, period="2025-12-01Z")}
{event(DONE)}
{event(None, kind="reconciliation_adjustment", quantity=-1)}
{event(None, kind="reconciliation_adjustment", quantity=1)}
"""
# The constraints that prevent these violations have to be dropped before planting one.
DROP_CONSTRAINTS = """
ALTER TABLE jobs.jobs DROP CONSTRAINT jobs_reserved_only_unfinished,
  DROP CONSTRAINT jobs_finished_at_matches_status;
ALTER TABLE jobs.usage_events DISABLE TRIGGER ALL;
DROP INDEX jobs.usage_events_one_per_job;
"""
(
    COUNTERS_MATCH,
    RESERVATIONS_MATCH,
    LIVE_RESERVED,
    ENDED_SETTLED,
    COMPLETED_CHARGED,
    CHARGES_VALID,
    CHAIN_LINKED,
    CHAIN_AT_HEAD,
    CHECKPOINTS_LINKED,
) = (check.invariant for check in CHECKS)
GIVE_TO_OTHER_USER = f"""
INSERT INTO identity.users (id, email) VALUES ('{OTHER}', 'b@example.com');
UPDATE jobs.jobs SET user_id = '{OTHER}' WHERE id = """

DRIFTS: Mapping[str, tuple[str, str, str | None]] = {
    "UPDATE jobs.usage_counters SET jobs_used = 2": (COUNTERS_MATCH, "counter 2, events 1", None),
    "UPDATE jobs.usage_counters SET jobs_reserved = 2": (
        RESERVATIONS_MATCH,
        "counter has 2 reserved, jobs have 1",
        None,
    ),
    f"UPDATE jobs.jobs SET reserved = false WHERE id = '{LIVE}'": (
        LIVE_RESERVED,
        "without a res",
        LIVE,
    ),
    f"UPDATE jobs.jobs SET billable = false WHERE id = '{LIVE}'": (
        LIVE_RESERVED,
        "not billable",
        LIVE,
    ),
    f"{GIVE_TO_OTHER_USER} '{LIVE}'": (LIVE_RESERVED, "counted for no subject", LIVE),
    f"UPDATE jobs.jobs SET reserved = true WHERE id = '{FAILED}'": (
        ENDED_SETTLED,
        "still reserved",
        FAILED,
    ),
    f"UPDATE jobs.jobs SET finished_at = NULL WHERE id = '{DONE}'": (
        ENDED_SETTLED,
        "without finished_at",
        DONE,
    ),
    f"UPDATE jobs.jobs SET lease_until = now() WHERE id = '{DONE}'": (
        ENDED_SETTLED,
        "with a lease",
        DONE,
    ),
    f"DELETE FROM jobs.usage_events WHERE job_id = '{DONE}'": (
        COMPLETED_CHARGED,
        "never charged",
        DONE,
    ),
    event(DONE): (COMPLETED_CHARGED, "charged more than once", DONE),
    event(OTHER): (CHARGES_VALID, "a job that does not exist", OTHER),
    f"{GIVE_TO_OTHER_USER} '{DONE}'": (CHARGES_VALID, "charged to another user", DONE),
    event(FREE): (CHARGES_VALID, "but not billable", FREE),
    event(FAILED): (CHARGES_VALID, "for a job that is FAILED", FAILED),
    f"UPDATE jobs.jobs SET usage_period = '2025-12-01Z' WHERE id = '{DONE}'": (
        *(CHARGES_VALID, "another period than it was", DONE),
    ),
    f"UPDATE jobs.usage_events SET quantity = 2 WHERE job_id = '{DONE}'": (
        *(CHARGES_VALID, "charged 2 times", DONE),
    ),
    "UPDATE jobs.usage_events SET seq = 9 WHERE seq = 4": (CHAIN_LINKED, "link 9 is at", None),
    "UPDATE jobs.usage_events SET prev_hash = hash WHERE seq = 2": (
        CHAIN_LINKED,
        "does not refer",
        DONE,
    ),
    "UPDATE jobs.usage_events SET occurred_at = now() WHERE seq = 2": (
        CHAIN_LINKED,
        "does not match its content",
        DONE,
    ),
    "DELETE FROM jobs.usage_events WHERE seq = 4": (
        CHAIN_AT_HEAD,
        "last link is 3, head is 4",
        None,
    ),
    "UPDATE jobs.subjects SET head = sha256('x')": (
        CHAIN_AT_HEAD,
        "head is not the hash of the last link",
        None,
    ),
}


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Open a database with one user's ledger: every kind of event, two periods, a live job."""
    await asyncio.to_thread(migrate, database_url)
    connection = await asyncpg.connect(database_url)
    await connection.execute(LEDGER)
    yield connection
    await connection.close()


async def find_violations(ledger: asyncpg.Connection) -> list[tuple[str, Violation]]:
    return [
        (result.check.invariant, violation)
        for result in await audit(ledger)
        for violation in result.violations
    ]


async def test_a_consistent_ledger_passes_and_every_row_is_examined(
    ledger: asyncpg.Connection,
) -> None:
    results = await audit(ledger)
    assert not any(result.violations for result in results)
    counts = {result.check.invariant: result.count for result in results}
    assert counts == {
        COUNTERS_MATCH: 2,
        RESERVATIONS_MATCH: 2,
        LIVE_RESERVED: 1,
        ENDED_SETTLED: 4,
        COMPLETED_CHARGED: 2,
        CHARGES_VALID: 2,
        CHAIN_LINKED: 4,
        CHAIN_AT_HEAD: 1,
        CHECKPOINTS_LINKED: 0,
    }


async def test_each_violation_is_found_and_named(ledger: asyncpg.Connection) -> None:
    missed: list[str] = []
    for drift, (claim, problem, job_id) in DRIFTS.items():
        transaction = ledger.transaction(isolation="repeatable_read")
        await transaction.start()
        await ledger.execute(f"{DROP_CONSTRAINTS} {drift}")
        found = await find_violations(ledger)
        await transaction.rollback()
        named = [
            violation
            for claimed, violation in found
            if claimed == claim
            and problem in violation.problem
            and (job_id is None or UUID(job_id) in violation.job_ids)
        ]
        missed += [] if named else [f"{drift}: {found}"]
    assert missed == []


async def test_the_chain_and_counter_of_an_erased_user_agree(
    ledger: asyncpg.Connection,
) -> None:
    await ledger.execute("UPDATE jobs.usage_counters SET jobs_reserved = 0")
    await ledger.execute("DELETE FROM identity.users WHERE id = $1", UUID(USER))
    assert await find_violations(ledger) == []
    await ledger.execute("UPDATE jobs.usage_counters SET jobs_used = 7")
    assert {claim for claim, _ in await find_violations(ledger)} == {COUNTERS_MATCH}


async def test_a_login_from_which_rows_are_hidden_is_refused(ledger: asyncpg.Connection) -> None:
    await ledger.execute("SET ROLE svc_jobs")
    assert await find_violations(ledger) == []
    await ledger.execute("RESET ROLE; SET ROLE svc_gateway_read")
    with pytest.raises(RowsHidden):
        await audit(ledger)


async def test_the_command_reports_ids_only_and_changes_nothing(
    ledger: asyncpg.Connection,
    database_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert await asyncio.to_thread(main, ["audit"]) == 0
    output = capsys.readouterr().out
    assert all(check.invariant in output for check in CHECKS)
    assert output.endswith("nothing lost, nothing twice\n")
    await ledger.execute("UPDATE jobs.usage_counters SET jobs_used = 7")
    for _ in range(2):
        assert await asyncio.to_thread(main, ["audit"]) == 1
        output = capsys.readouterr().out
        assert f"subject {SUBJECT}, period 2025-12-01: counter 7, events 1" in output
        assert "example.com" not in output
        assert USER not in output


async def test_an_unreachable_database_is_reported(
    unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://user@127.0.0.1:{unused_tcp_port}/nowhere")
    assert await asyncio.to_thread(main, ["audit"]) == 2
    assert "✗" in capsys.readouterr().err
