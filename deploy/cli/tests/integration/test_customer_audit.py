"""Four numbers of each customer are equal, and each planted discrepancy is named."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from stripe_support import API_KEY, RunningStripe, create_catalogue, running_stripe

from msaas.cli import main
from msaas.cli.audit import CustomerAudit, audit_customers, format_customers
from msaas.cli.audit.customers import CustomerUsage
from msaas.local.migrate import migrate

EVENT_NAME = "completed_jobs"
JOBS = 3
GENESIS = bytes(32)


@pytest.fixture(scope="module")
def stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStripe]:
    with running_stripe(tmp_path_factory.mktemp("stripe")) as server:
        yield server


@dataclass
class Customers:
    """A database with customers, each with the same few jobs that were reported."""

    url: str
    rows: asyncpg.Connection
    stripe: RunningStripe
    ids: dict[str, UUID] = field(default_factory=dict[str, UUID])
    at_stripe: dict[str, str] = field(default_factory=dict[str, str])

    async def add(self, name: str, plan: str = "PRO") -> None:
        account, user, subject = uuid4(), uuid4(), uuid4()
        self.ids[name] = account
        customer = self.stripe.client().v1.customers.create({}).id
        self.at_stripe[name] = customer
        jobs = [uuid4() for _ in range(JOBS)]
        execute, now = self.rows.execute, datetime.now(UTC)
        await execute("INSERT INTO identity.users (id, email) VALUES ($1, $2)", user, f"{user}@x.y")
        await execute(
            "INSERT INTO jobs.subjects (subject_id, user_id, plan, period_start, period_end,"
            " last_seq) VALUES ($1, $2, $3, now(), now() + interval '1 d', $4)",
            *(subject, user, plan, JOBS),
        )
        for job in jobs:
            await execute(
                "INSERT INTO jobs.jobs (id, user_id, task_type, payload, max_attempts,"
                " correlation_id, source, billable, usage_period, reserved, status, finished_at)"
                " VALUES ($1, $2, 'echo', '{}', 3, 'c', 'api', true, now(), false, 'COMPLETED',"
                " now())",
                *(job, user),
            )
        await execute(
            "INSERT INTO billing.accounts (id, user_id, stripe_customer_id, livemode)"
            " VALUES ($1, $2, $3, false)",
            *(account, user, customer),
        )
        await execute(
            "INSERT INTO billing.usage_chains (subject_id, user_id, account_id, last_seq,"
            " highest_seq) VALUES ($1, $2, $3, $4, $4)",
            *(subject, user, account, JOBS),
        )
        report = None
        if plan != "FREE":
            report = await self.add_report(name, subject, JOBS, now)
        for seq, job in enumerate(jobs, 1):
            await execute(
                "INSERT INTO billing.usage_events (subject_id, seq, kind, job_id, quantity, plan,"
                " occurred_at, period_start, prev_hash, hash, billing, report_id)"
                " VALUES ($1, $2, 'job_completed', $3, 1, $4, $5, $5, $6, $6, $7, $8)",
                *(subject, seq, job, plan, now, GENESIS),
                *("assigned" if report else "free", report),
            )

    async def add_report(self, name: str, subject: UUID, quantity: int, at: datetime) -> UUID:
        report, customer = uuid4(), self.at_stripe[name]
        await self.rows.execute(
            "INSERT INTO billing.meter_reports (id, identifier, account_id, subject_id,"
            " stripe_customer_id, quantity, meter_timestamp, period_start, first_seq, last_seq,"
            " head, state, first_sent_at, reported_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 1, $6, $8, 'REPORTED', $7, $7)",
            *(report, str(report), self.ids[name], subject, customer, quantity, at, GENESIS),
        )
        usage: dict[str, Any] = {"value": quantity, "timestamp": int(at.timestamp())}
        self.stripe.control("plant-usage", customer=customer, event_name=EVENT_NAME, **usage)
        return report

    async def plant(self, name: str, sql: str) -> None:
        await self.rows.execute(sql.replace("$account", f"'{self.ids[name]}'"))

    async def audit(self) -> tuple[CustomerAudit, dict[str, CustomerUsage]]:
        found = await audit_customers(self.url, (self.stripe.url, API_KEY))
        by_id = {each.account_id: each for each in found.customers}
        return found, {name: by_id[account] for name, account in self.ids.items()}


@pytest_asyncio.fixture
async def customers(database_url: str, stripe: RunningStripe) -> AsyncIterator[Customers]:
    await asyncio.to_thread(migrate, database_url)
    meters = stripe.client().v1.billing.meters.list({}).data
    meter = meters[0].id if meters else create_catalogue(stripe.client(), EVENT_NAME).meter
    rows = await asyncpg.connect(database_url)
    await rows.execute(
        "INSERT INTO billing.catalogue (livemode, meter_id, meter_event_name,"
        " portal_configuration_id, webhook_endpoint_id, api_version)"
        " VALUES (false, $1, $2, '-', '-', '-')",
        *(meter, EVENT_NAME),
    )
    yield Customers(database_url, rows, stripe)
    await rows.close()


_SUBJECT = "subject_id IN (SELECT subject_id FROM billing.usage_chains WHERE account_id = $account)"
_USER = "user_id = (SELECT user_id FROM billing.accounts WHERE id = $account)"
_ONE_JOB = f"id = (SELECT id FROM jobs.jobs WHERE {_USER} LIMIT 1)"
PLANTED = {
    "uncharged": (
        (
            f"DELETE FROM billing.usage_events WHERE {_SUBJECT} AND seq = 3;"
            f"UPDATE billing.meter_reports SET quantity = 2 WHERE account_id = $account"
        ),
        {"1 completed jobs have no usage event", "Stripe has 1 units that were not reported"},
    ),
    "invented": (
        f"UPDATE jobs.jobs SET status = 'FAILED' WHERE {_ONE_JOB}",
        {"1 usage events are of no completed job"},
    ),
    "altered": (
        "UPDATE billing.meter_reports SET quantity = 2 WHERE account_id = $account",
        {"reports hold 2 units, their usage events 3", "Stripe has 1 units that were not reported"},
    ),
    "refused": (
        (
            "UPDATE billing.meter_reports SET state = 'REJECTED', reported_at = NULL"
            " WHERE account_id = $account"
        ),
        {"Stripe has refused 3 units", "Stripe has 3 units that were not reported"},
    ),
    "forgotten": (
        (
            f"UPDATE billing.usage_events SET billing = 'none', report_id = NULL WHERE {_SUBJECT};"
            "UPDATE billing.meter_reports SET state = 'CANCELLED' WHERE account_id = $account"
        ),
        {"reports hold 0 units, their usage events 3", "Stripe has 3 units that were not reported"},
    ),
}
ON_ITS_WAY = {
    "behind": f"UPDATE jobs.subjects SET last_seq = 4 WHERE {_USER}",
    "waiting": f"UPDATE billing.usage_events SET billing = 'unreported', report_id = NULL"
    f" WHERE {_SUBJECT}; DELETE FROM billing.meter_reports WHERE account_id = $account",
    "sending": "UPDATE billing.meter_reports SET state = 'SENDING', reported_at = NULL"
    " WHERE account_id = $account",
}


async def test_each_planted_discrepancy_is_named_by_customer(customers: Customers) -> None:
    await customers.add("free", "FREE")
    for name in ("equal", "lost", "planted", "gone", "erased", *PLANTED, *ON_ITS_WAY):
        await customers.add(name)
    audit, found = await customers.audit()
    assert audit.is_settled
    numbers = {
        (each.completed, each.events, each.reported, each.at_stripe) for each in found.values()
    }
    assert numbers == {(0, 0, 0, 0), (JOBS,) * 4}

    for name, (sql, _) in PLANTED.items():
        await customers.plant(name, sql)
    for name, sql in ON_ITS_WAY.items():
        await customers.plant(name, sql)
    customers.stripe.control("remove-object", identifier=customers.at_stripe["gone"])
    await customers.plant("erased", f"DELETE FROM identity.users WHERE id = (SELECT {_USER[10:]})")
    now = int(datetime.now(UTC).timestamp())
    for name, value in (("lost", -1), ("planted", 2), ("waiting", -JOBS)):
        usage: dict[str, Any] = {"value": value, "timestamp": now, "event_name": EVENT_NAME}
        customers.stripe.control("plant-usage", customer=customers.at_stripe[name], **usage)

    audit, found = await customers.audit()
    assert audit.has_problems
    assert {name: set(each.list_problems()) for name, each in found.items()} == {
        "free": set(),
        "equal": set(),
        "erased": set(),
        "lost": {"Stripe lacks 1 units that were reported"},
        "planted": {"Stripe has 2 units that were not reported"},
        "gone": {"Stripe has no such customer"},
        **{key: set() for key in ON_ITS_WAY},
        **{name: problems for name, (_, problems) in PLANTED.items()},
    }
    assert found["erased"].completed is None
    assert found["erased"].is_equal
    for name in ON_ITS_WAY:
        assert found[name].is_in_flight
        assert not found[name].is_equal
    lines = list(format_customers(audit))
    assert f"✓ {customers.ids['equal']}  3 = 3 = 3 = 3" in lines
    assert any(f"✗ {customers.ids['lost']}  3 | 3 | 3 | 2" in line for line in lines)


async def test_the_command_compares_with_stripe_and_says_where_it_does_not(
    customers: Customers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await customers.add("free", "FREE")
    monkeypatch.setenv("DATABASE_URL", customers.url)
    assert await asyncio.to_thread(main, ["audit"]) == 1  # jobs has no counters of these jobs
    output = capsys.readouterr().out
    assert f"{customers.ids['free']}  0 = 0 = 0 = -" in output
    assert "Stripe was not read" in output
    monkeypatch.setenv("BILLING_STRIPE_URL", customers.stripe.url)
    assert await asyncio.to_thread(main, ["audit"]) == 1
    assert f"{customers.ids['free']}  0 = 0 = 0 = 0" in capsys.readouterr().out
    monkeypatch.setenv("BILLING_STRIPE_URL", "http://127.0.0.1:9")
    assert await asyncio.to_thread(main, ["audit"]) == 2
