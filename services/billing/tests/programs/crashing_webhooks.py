"""Applies a customer's events in a child for each line of its input, killed at a boundary.

A line is a customer and the number of a boundary; the child names the boundaries that it passes,
and the answer to a line ends with how the child ended. Run it as a module from the repository.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from services.billing.tests.programs.crashing_reports import Boundaries

from msaas.billing.adapters.stripe.client import StripeClient
from msaas.billing.adapters.stripe.events import read_event
from msaas.billing.application.apply_stripe_events import ApplyStripeEvents
from msaas.billing.application.refresh_account import RefreshAccount
from msaas.billing.bootstrap import BillingRules, build_parts
from msaas.billing.domain.stripe_events import EventSource
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics

GRACE = timedelta(days=7)
CHANGES = frozenset({"store", "finish", "postpone", "next_version", "store_fetch", "link_customer"})


class Observed:
    """A store with a boundary before and after each call that changes something there.

    Calls that only read have none: what follows them is what comes before the next change.
    """

    def __init__(self, name: str, observed: object, boundaries: Boundaries) -> None:
        self._name = name
        self._observed = observed
        self._boundaries = boundaries

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._observed, name)

        async def call(*arguments: object, **named: object) -> Any:
            self._boundaries.reach(f"before:{self._name}.{name}")
            answer = await method(*arguments, **named)
            self._boundaries.reach(f"after:{self._name}.{name}")
            return answer

        return call if name in CHANGES else method


async def receive(database_url: str, stripe_url: str, customer: str, chosen: str) -> None:
    boundaries, metrics = Boundaries(chosen), Metrics("billing", "test")
    client = StripeClient("sk_test_local", metrics, url=stripe_url)
    async with Database(PostgresConfig(database_url), metrics) as database:
        parts = build_parts(database, client, BillingRules(livemode=False, grace=GRACE))
        inbox: Any = Observed("inbox", parts.inbox, boundaries)
        accounts: Any = Observed("accounts", parts.accounts, boundaries)
        refresh = RefreshAccount(accounts, parts.payments, grace=GRACE)
        apply = ApplyStripeEvents(
            *(inbox, accounts, parts.payments, refresh), metrics=metrics, livemode=False
        )
        page = await client.sdk.v1.events.list_async({"limit": 100})
        found = [read_event(each.to_dict(), EventSource.WEBHOOK) for each in page.data[::-1]]
        events = [each for each in found if each is not None and each.customer_id == customer]
        await inbox.store(events)
        await apply([event.id for event in events])
    await client.close()


def main(database_url: str, stripe_url: str) -> None:
    for line in sys.stdin:
        customer, chosen = line.split()
        child = os.fork()
        if child == 0:
            asyncio.run(receive(database_url, stripe_url, customer, chosen))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"end {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
