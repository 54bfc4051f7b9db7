"""kill -9 at every boundary of a webhook: the event is applied once all the same."""

import asyncio
import sys
from pathlib import Path

import pytest
from services.billing.tests.conftest import as_login
from services.billing.tests.support import Billing
from stripe_support import RunningStripe

from msaas.billing.adapters.stripe.events import read_event
from msaas.billing.domain.stripe_events import EventSource
from msaas.contracts import Plan

ROOT = Path(__file__).parents[4]
MODULE = "services.billing.tests.programs.crashing_webhooks"
KILLED = -9
MUST_PASS = {
    "before:inbox.store",
    "after:inbox.store",
    "after:accounts.next_version",
    "before:accounts.store_fetch",
    "after:accounts.store_fetch",
}


@pytest.mark.timeout(900)
async def test_a_kill_at_any_boundary_of_a_webhook_loses_and_doubles_nothing(
    billing: Billing, billing_url: str, stripe_server: RunningStripe
) -> None:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", MODULE, as_login(billing_url), stripe_server.url),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    killed, passed = 0, list[str]()
    for number in range(200):
        user = await billing.add_user()
        await billing.open_checkout(user, Plan.PRO)
        await billing.complete_checkout(user)
        customer = (await billing.get_account(user)).customer_id
        passed, ended = await run(program, f"{customer} {number}\n")
        # Stripe delivers again what was not answered, and the pending message comes back.
        page = billing.sdk.v1.events.list({"limit": 100})
        found = [read_event(each.to_dict(), EventSource.WEBHOOK) for each in page.data]
        await billing.receive([each for each in found if each and each.customer_id == customer])
        assert (await billing.get_account(user)).state.plan is Plan.PRO
        assert set(await billing.describe_events(user)) <= {"APPLIED", "IGNORED"}
        sql = "SELECT count(*) FROM billing.invoices WHERE user_id = $1"
        assert await billing.rows.fetchval(sql, user) == 1
        if ended == 0:
            break
        assert ended == KILLED
        killed += 1
    assert program.stdin is not None
    program.stdin.close()
    await program.wait()
    assert set(passed) >= MUST_PASS
    sys.stdout.write(f"{killed}/{len(passed)} boundaries of a webhook\n")
    assert killed == len(passed)
    assert billing.stripe.violations == []


async def run(program: asyncio.subprocess.Process, line: str) -> tuple[list[str], int]:
    """Return the boundaries that the child passed, and how it ended."""
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(line.encode())
    await program.stdin.drain()
    passed: list[str] = []
    while True:
        answer = (await program.stdout.readline()).decode().strip()
        assert answer, "the program has ended"
        if answer.startswith("end "):
            return passed, int(answer.removeprefix("end "))
        passed.append(answer)
