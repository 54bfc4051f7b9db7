"""Customers with usage for the benchmark of billing, and the parts of billing that it measures."""

import asyncio
import hashlib
import hmac
import json
import time
from argparse import Namespace
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from msaas.billing.adapters.stripe.client import API_VERSION, StripeClient, StripeTimeouts
from msaas.billing.application.ports import StripeEvent
from msaas.billing.bootstrap import BillingRules, Parts, build_parts
from msaas.billing.domain.stripe_events import EventSource
from msaas.billing.settings import LOCAL_STRIPE_KEY
from msaas.contracts import USAGE_GENESIS, usage_hash
from msaas.dev.chaos import IsolatedFleet
from msaas.kernel import BreakerPolicy
from msaas.local.credentials import get_or_create_secret, url_with_credentials
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics

TIMEOUT = 120.0
EVENTS_OF_A_CUSTOMER = 5
ACCOUNTS = """
WITH made AS (
  SELECT gen_random_uuid() AS user_id, customer FROM unnest($1::text[]) AS customer
), users AS (
  INSERT INTO identity.users (id, email) SELECT user_id, user_id || '@example.com' FROM made
)
INSERT INTO billing.accounts (id, user_id, stripe_customer_id, livemode)
SELECT gen_random_uuid(), user_id, customer, false FROM made
RETURNING id, user_id
"""
CHAIN = """
INSERT INTO billing.usage_chains (subject_id, user_id, account_id, last_seq, highest_seq, head)
SELECT $1, user_id, id, $3, $3, $4 FROM billing.accounts WHERE user_id = $2
ON CONFLICT (subject_id) DO UPDATE SET
  user_id = excluded.user_id, account_id = excluded.account_id,
  last_seq = $3, highest_seq = $3, head = $4
"""
FIND_CHAIN = """
SELECT last_seq, encode(head, 'hex') AS head FROM billing.usage_chains WHERE subject_id = $1
"""
EVENTS = (
    *("subject_id", "seq", "kind", "job_id", "quantity", "plan", "occurred_at", "period_start"),
    *("prev_hash", "hash", "billing"),
)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A fleet whose billing processes can be stopped, and the same parts in this process."""

    fleet: IsolatedFleet
    options: Namespace
    parts: Parts
    admin: asyncpg.Connection
    metrics: Metrics

    def count_statements(self) -> int:
        """Return how many statements this process has sent to Postgres."""
        labels = {"service": "billing", "environment": "bench"}
        return int(self.metrics.registry.get_sample_value("db_slow_queries_total", labels) or 0)

    def count_calls(self) -> int:
        """Return how many calls of Stripe this process has made."""
        samples = (
            sample
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == "billing_stripe_calls_total"
        )
        return int(sum(sample.value for sample in samples))


@asynccontextmanager
async def open_bench(fleet: IsolatedFleet, options: Namespace) -> AsyncGenerator[Bench]:
    password = get_or_create_secret(fleet.home.secrets, "svc_billing")
    login = url_with_credentials(fleet.url("postgres"), "svc_billing", password)
    metrics = Metrics("billing", "bench")
    client = StripeClient(
        LOCAL_STRIPE_KEY,
        metrics,
        url=fleet.url("stripe"),
        timeouts=StripeTimeouts(request=TIMEOUT, call=TIMEOUT),
        policy=BreakerPolicy(consecutive_failures=1_000_000),
    )
    admin = await asyncpg.connect(fleet.url("postgres"), command_timeout=TIMEOUT)
    rules = BillingRules(livemode=False, grace=timedelta(days=7))
    # A limit of zero counts every statement.
    config = PostgresConfig(login, max_size=10, slow_query_threshold=0.0)
    async with Database(config, metrics) as database:
        parts = build_parts(database, client, rules)
        yield Bench(fleet=fleet, options=options, parts=parts, admin=admin, metrics=metrics)
    await client.close()
    await admin.close()


async def run_all(work: Iterable[Callable[[], Awaitable[object]]], concurrency: int) -> list[float]:
    """Run each of them, so many at once; return the seconds that each took."""
    waiting, seconds = iter(work), list[float]()

    async def worker() -> None:
        for act in waiting:
            began = time.perf_counter()
            await act()
            seconds.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(worker())
    return seconds


def build_event(customer: str) -> dict[str, Any]:
    return {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": "customer.subscription.updated",
        "created": int(time.time()),
        "livemode": False,
        "api_version": API_VERSION,
        "data": {"object": {"id": "sub_1", "object": "subscription", "customer": customer}},
    }


def build_stored_event(customer: str) -> StripeEvent:
    return StripeEvent(
        id=f"evt_{uuid4().hex}",
        type="customer.subscription.updated",
        created=datetime.now(UTC),
        livemode=False,
        api_version=API_VERSION,
        customer_id=customer,
        object_id="sub_1",
        payload=None,
        source=EventSource.WEBHOOK,
    )


def sign(body: bytes, secret: str) -> str:
    at = int(time.time())
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


async def post_webhooks(bench: Bench, count: int, concurrency: int) -> list[float]:
    """Deliver signed events of an unknown customer, each on a kept connection."""
    url = f"{bench.fleet.running.gateway_url}/api/v1/billing/webhooks"
    secret = (bench.fleet.home.secrets / "stripe-webhook").read_text().split(",")[0]
    limits = httpx.Limits(max_connections=concurrency)
    async with httpx.AsyncClient(timeout=TIMEOUT, limits=limits, trust_env=False) as http:

        async def post() -> None:
            body = json.dumps(build_event("cus_unknown")).encode()
            headers = {"stripe-signature": sign(body, secret), "content-type": "application/json"}
            answer = await http.post(url, content=body, headers=headers)
            answer.raise_for_status()

        return await run_all([post] * count, concurrency)


async def commit_rows(bench: Bench, count: int) -> list[float]:
    """Commit the same content row by row: what storing it costs without everything around."""
    await bench.admin.execute("CREATE TEMPORARY TABLE bare (id text PRIMARY KEY, body text)")

    async def commit() -> None:
        event = build_event("cus_unknown")
        await bench.admin.execute("INSERT INTO bare VALUES ($1, $2)", event["id"], str(event))

    return await run_all([commit] * count, 1)


async def add_customers(bench: Bench, count: int) -> list[UUID]:
    """Create customers at the stand-in, each with usage that waits for its report."""
    url = f"{bench.fleet.url('stripe')}/v1/customers"
    headers = {"authorization": f"Bearer {LOCAL_STRIPE_KEY}"}
    customers: list[str] = []
    async with httpx.AsyncClient(timeout=TIMEOUT, headers=headers, trust_env=False) as http:

        async def create() -> None:
            answer = await http.post(url)
            customers.append(answer.raise_for_status().json()["id"])

        await run_all([create] * count, 8)
    rows = await bench.admin.fetch(ACCOUNTS, customers)
    chains = [(uuid4(), row["user_id"], row["id"], EVENTS_OF_A_CUSTOMER) for row in rows]
    await bench.admin.executemany(
        "INSERT INTO billing.usage_chains (subject_id, user_id, account_id, last_seq, highest_seq)"
        " VALUES ($1, $2, $3, $4, $4)",
        chains,
    )
    subjects = [chain[0] for chain in chains]
    at = datetime.now(UTC)
    await copy_events(
        bench, (row for each in subjects for row in build_chain(each, EVENTS_OF_A_CUSTOMER, at))
    )
    return subjects


def build_chain(
    subject: UUID, jobs: int, at: datetime, last_seq: int = 0, head: str = USAGE_GENESIS
) -> Iterable[tuple[Any, ...]]:
    """Build the entries that billing would have taken, linked by their hashes."""
    previous = head
    period = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for seq in range(last_seq + 1, last_seq + jobs + 1):
        job = uuid4()
        found = usage_hash(subject, seq, job, 1, at, previous)
        hashes = bytes.fromhex(previous), bytes.fromhex(found)
        yield (subject, seq, "job_completed", job, 1, "PRO", at, period, *hashes, "unreported")
        previous = found


async def copy_events(bench: Bench, rows: Iterable[tuple[Any, ...]]) -> None:
    await bench.admin.copy_records_to_table(
        "usage_events", schema_name="billing", columns=EVENTS, records=rows
    )


async def add_usage(bench: Bench, user_id: UUID, subject: UUID, jobs: int) -> None:
    """Give a customer so many completed jobs, as entries that go on with the user's chain."""
    chain = await bench.admin.fetchrow(FIND_CHAIN, subject)
    last_seq, head = (chain["last_seq"], chain["head"]) if chain else (0, USAGE_GENESIS)
    rows = list(build_chain(subject, jobs, datetime.now(UTC), last_seq, head))
    await bench.admin.execute(CHAIN, subject, user_id, last_seq + jobs, rows[-1][9])
    await copy_events(bench, rows)
