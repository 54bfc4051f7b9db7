"""Goes on with a subject's usage in a child for each line of its input, killed at a boundary.

A line is a subject and a boundary, by its number or by its name; the child names the boundaries
that it passes, and the answer to a line ends with how the child ended.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

from msaas.billing.adapters.postgres.catalogue import PostgresCatalogue
from msaas.billing.adapters.postgres.corrections import PostgresCorrections
from msaas.billing.adapters.postgres.reports import PostgresReports
from msaas.billing.adapters.stripe.client import API_VERSION, StripeClient
from msaas.billing.adapters.stripe.credit_notes import StripeCredits
from msaas.billing.adapters.stripe.meter import StripeMeter
from msaas.billing.application.correct_usage import CorrectUsage
from msaas.billing.application.report_usage import ReportUsage
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics

CHANGES = frozenset(
    {
        *("assign", "begin_attempt", "report", "restart", "finish", "take_unpublished"),
        *("begin", "cancel", "replace_report"),
    }
)


class Boundaries:
    """Ends the process, as `kill -9` does, at one of the boundaries around calls."""

    def __init__(self, chosen: str) -> None:
        self._chosen = chosen
        self._passed = 0

    def reach(self, name: str) -> None:
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        if self._chosen in {name, str(self._passed)}:
            os.kill(os.getpid(), signal.SIGKILL)
        self._passed += 1


class Observed:
    """A store or Stripe with a boundary after each call that changes something there.

    Calls that only read have none: what follows them is what follows the change before.
    """

    def __init__(self, observed: object, boundaries: Boundaries) -> None:
        self._observed = observed
        self._boundaries = boundaries

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._observed, name)

        async def call(*arguments: object, **named: object) -> Any:
            answer = await method(*arguments, **named)
            if name in CHANGES:
                self._boundaries.reach(name)
            return answer

        return call


async def go_on(database_url: str, stripe_url: str, subject_id: UUID, chosen: str) -> None:
    boundaries, metrics = Boundaries(chosen), Metrics("billing", "test")
    client = StripeClient("sk_test_local", metrics, url=stripe_url)
    async with Database(PostgresConfig(database_url), metrics) as database:
        ids = PostgresCatalogue(database, livemode=False, api_version=API_VERSION)
        meter: Any = Observed(StripeMeter(client, ids), boundaries)
        reports: Any = Observed(PostgresReports(database), boundaries)
        corrections: Any = Observed(PostgresCorrections(database), boundaries)
        notes: Any = Observed(StripeCredits(client), boundaries)
        await CorrectUsage(corrections, meter, notes)(subject_id)
        report = ReportUsage(reports, meter, metrics)
        await report(subject_id)
        await report.take_unpublished(subject_id)
    await client.close()


def main(database_url: str, stripe_url: str) -> None:
    for line in sys.stdin:
        subject, chosen = line.split()
        child = os.fork()
        if child == 0:
            asyncio.run(go_on(database_url, stripe_url, UUID(subject), chosen))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"end {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
