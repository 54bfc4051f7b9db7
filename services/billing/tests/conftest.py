"""One stand-in and one database for each process of a test run; tests have users of their own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
from services.billing.tests.support import Billing, MakeBilling
from services.conftest import copy_database, drop_database
from stripe_support import API_KEY, RunningStripe, running_stripe

from msaas.billing.adapters.postgres.catalogue import PostgresCatalogue
from msaas.billing.adapters.stripe.catalogue import StripeCatalogueClient
from msaas.billing.adapters.stripe.client import API_VERSION, StripeClient, StripeTimeouts
from msaas.billing.application.apply_stripe_events import ApplyStripeEvents
from msaas.billing.application.manage_subscription import ManageSubscription
from msaas.billing.application.refresh_account import RefreshAccount
from msaas.billing.application.set_up_catalogue import SetUpCatalogue
from msaas.billing.bootstrap import BillingRules, Parts, build_parts
from msaas.billing.domain.stripe_events import SNAPSHOT_TYPES
from msaas.kernel import BreakerPolicy
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT

WEBHOOK_URL = "http://127.0.0.1:9/api/v1/billing/webhooks"
RULES = BillingRules(livemode=False, grace=timedelta(days=7))
# A busy machine is no outage.
PATIENT = StripeTimeouts(request=GENEROUS_TIMEOUT, call=3 * GENEROUS_TIMEOUT)
# A test that makes Stripe fail makes it fail for all others of its process otherwise.
NO_BREAKER = BreakerPolicy(consecutive_failures=1_000_000)


@pytest.fixture(scope="session")
def stripe_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStripe]:
    with running_stripe(tmp_path_factory.mktemp("stripe")) as running:
        yield running


@pytest.fixture(scope="session")
def billing_url(postgres_url: str, template: str) -> Iterator[str]:
    """Name a database as the service's own login: what that may not do, no test can do."""

    async def create() -> str:
        url = await copy_database(postgres_url, template)
        admin = await asyncpg.connect(postgres_url)
        try:
            # Of the workers of a test run, one after the other: a role is the whole server's.
            await admin.execute("SELECT pg_advisory_lock(hashtext('svc_billing'))")
            await admin.execute("ALTER ROLE svc_billing PASSWORD 'svc_billing'")
        finally:
            await admin.close()
        return url

    url = asyncio.run(create())
    yield url
    asyncio.run(drop_database(postgres_url, url))


def as_login(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"svc_billing:svc_billing@{host}").geturl()


@pytest.fixture(scope="session")
def catalogue(billing_url: str, stripe_server: RunningStripe) -> None:
    async def set_up() -> None:
        metrics = Metrics("billing", "test")
        client = StripeClient(API_KEY, metrics, url=stripe_server.url, timeouts=PATIENT)
        async with Database(PostgresConfig(as_login(billing_url)), metrics) as database:
            result = await SetUpCatalogue(
                StripeCatalogueClient(client),
                PostgresCatalogue(database, livemode=False, api_version=API_VERSION),
                webhook_url=WEBHOOK_URL,
                api_version=API_VERSION,
                types=frozenset(SNAPSHOT_TYPES),
            )()
            assert result.is_complete, result.lines
        await client.close()

    asyncio.run(set_up())


@pytest_asyncio.fixture
async def rows(billing_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(billing_url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def database(billing_url: str, catalogue: None) -> AsyncIterator[Database]:
    config = PostgresConfig(as_login(billing_url))
    async with Database(config, Metrics("billing", "test")) as database:
        yield database


@pytest_asyncio.fixture
async def stripe_client(stripe_server: RunningStripe) -> AsyncIterator[StripeClient]:
    metrics = Metrics("billing", "test")
    client = StripeClient(
        API_KEY, metrics, url=stripe_server.url, policy=NO_BREAKER, timeouts=PATIENT
    )
    yield client
    await client.close()


@pytest.fixture
def parts(database: Database, stripe_client: StripeClient) -> Parts:
    return build_parts(database, stripe_client, RULES)


@pytest.fixture
def make_billing(rows: asyncpg.Connection, stripe_server: RunningStripe) -> MakeBilling:
    def make(parts: Parts) -> Billing:
        refresh = RefreshAccount(parts.accounts, parts.payments, grace=RULES.grace)
        return Billing(
            parts=replace(parts, refresh=refresh),
            apply=ApplyStripeEvents(
                parts.inbox,
                parts.accounts,
                parts.payments,
                refresh,
                metrics=Metrics("billing", "test"),
                livemode=False,
            ),
            manage=ManageSubscription(parts.accounts, parts.requests, parts.payments, refresh),
            rows=rows,
            stripe=stripe_server,
            sdk=stripe_server.client(),
        )

    return make


@pytest.fixture
def billing(make_billing: MakeBilling, parts: Parts) -> Billing:
    return make_billing(parts)
