"""Stored usage is published again as it was, for a consumer that lacks it."""

from uuid import UUID

from services.conftest import IDS

from msaas.contracts import CountUsage, ResendUsage, UsageCounted, UsageRecorded, usage_hash
from msaas.jobs.adapters.postgres.republish import PostgresUsageEntries
from msaas.jobs.application.resend_usage import ResendEntries
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics


async def test_entries_are_resent_with_the_hash_that_they_have(seeded_url: str) -> None:
    subject = UUID(IDS["subject_a"])
    async with Database(PostgresConfig(seeded_url), Metrics("jobs", "test")) as database:
        resend = ResendEntries(PostgresUsageEntries(database))
        [outgoing] = await resend(ResendUsage(subject_id=subject, first_seq=1))
        assert await resend(ResendUsage(subject_id=subject, first_seq=2)) == []
        assert await resend(ResendUsage(subject_id=UUID(int=9), first_seq=1, last_seq=5)) == []
    message = outgoing.message
    assert outgoing.topic == "usage.events"
    assert isinstance(message, UsageRecorded)
    assert message.hash == usage_hash(
        *(message.subject_id, message.seq, message.job_id, message.quantity),
        *(message.occurred_at, message.prev_hash),
    )


async def test_counters_are_answered_as_of_the_last_entry(seeded_url: str) -> None:
    subject = UUID(IDS["subject_a"])
    async with Database(PostgresConfig(seeded_url), Metrics("jobs", "test")) as database:
        entries = ResendEntries(PostgresUsageEntries(database))
        [outgoing] = await entries.count(CountUsage(subject_id=subject), "c")
        assert await entries.count(CountUsage(subject_id=UUID(int=9)), "c") == []
        async with database.connection() as connection:
            [row] = await connection.fetch(
                "SELECT s.last_seq, encode(s.head, 'hex') AS head, c.period_start, c.jobs_used"
                " FROM jobs.subjects s JOIN jobs.usage_counters c USING (subject_id)"
                " WHERE s.subject_id = $1",
                subject,
            )
    message = outgoing.message
    assert isinstance(message, UsageCounted)
    assert (outgoing.topic, message.last_seq, message.head) == (
        *("usage.events", row["last_seq"], row["head"]),
    )
    [period] = message.periods
    assert (period.period_start, period.used) == (row["period_start"], row["jobs_used"])
