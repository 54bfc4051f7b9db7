"""kill -9 at every persisted boundary of a report and of a correction: no unit lost or doubled."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from services.billing.tests.conftest import as_login
from services.billing.tests.metering_support import Ledger, Metering, build_metering
from services.billing.tests.support import Billing
from stripe_support import RunningStripe

PROGRAM = Path(__file__).parents[1] / "programs" / "crashing_reports.py"
KILLED = -9
UNITS = 3

Prepare = Callable[["Crashes"], Awaitable[None]]


@dataclass
class Crashes:
    """One subject; what is left of a round must not change the sum of the next one."""

    metering: Metering
    ledger: Ledger
    program: asyncio.subprocess.Process
    voided: int = 0

    async def run(self, boundary: str) -> tuple[list[str], int]:
        """Return the boundaries that the child passed, and how it ended."""
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(f"{self.ledger.subject_id} {boundary}\n".encode())
        await self.program.stdin.drain()
        passed: list[str] = []
        while True:
            line = (await self.program.stdout.readline()).decode().strip()
            assert line, "the program has ended"
            if line.startswith("end "):
                return passed, int(line.removeprefix("end "))
            passed.append(line)

    async def take_units(self) -> None:
        await self.metering.take(self.ledger.add_many(UNITS))

    async def leave_ambiguous(self, boundary: str) -> None:
        await self.take_units()
        assert (await self.run(boundary))[1] == KILLED
        two_days = timedelta(days=2)
        await self.metering.shift_reports(
            self.ledger, first_sent_at=two_days, last_sent_at=two_days
        )
        await self.metering.make_due(self.ledger)

    async def settle(self) -> None:
        """Run until nothing is open, as the timer's next messages do."""
        for _ in range(3):
            await self.metering.make_due(self.ledger)
            await self.metering.go_on(self.ledger)
        await self.metering.report.take_unpublished(self.ledger.subject_id)

    async def check(self) -> None:
        expected = len(self.ledger.events) - self.voided
        states = await self.metering.count_states(self.ledger)
        assert set(states) <= {"REPORTED", "CANCELLED"}
        assert states["REPORTED"] == expected
        assert await self.metering.read_stripe(self.ledger) == expected
        unpublished = await self.metering.billing.rows.fetchval(
            "SELECT count(*) FROM billing.meter_reports"
            " WHERE subject_id = $1 AND state = 'REPORTED' AND published_at IS NULL",
            self.ledger.subject_id,
        )
        assert unpublished == 0


@pytest_asyncio.fixture
async def crashes(
    billing: Billing, billing_url: str, stripe_server: RunningStripe
) -> AsyncIterator[Crashes]:
    metering = build_metering(billing)
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM), as_login(billing_url), stripe_server.url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    yield Crashes(metering, await metering.open_ledger(), program)
    assert program.stdin is not None
    program.stdin.close()
    await program.wait()


async def prepare_report(crashes: Crashes) -> None:
    await crashes.take_units()


async def prepare_absent(crashes: Crashes) -> None:
    """Leave a report that was never sent although it was marked so, two days ago."""
    await crashes.leave_ambiguous("begin_attempt")


async def prepare_received(crashes: Crashes) -> None:
    """Leave a report whose answer was lost, two days ago."""
    await crashes.leave_ambiguous("report")


async def prepare_correction(crashes: Crashes) -> None:
    await crashes.take_units()
    await crashes.settle()
    job_id = crashes.ledger.events[-1].job_id
    assert job_id is not None
    correction = await crashes.metering.correct.record(job_id, "It was empty.")
    assert correction.means == "meter_adjustment"
    crashes.voided += 1


@pytest.mark.parametrize(
    ("prepare", "must_pass"),
    [
        (prepare_report, {"assign", "begin_attempt", "report", "finish"}),
        (prepare_absent, {"begin_attempt", "restart", "report", "finish"}),
        (prepare_received, {"begin_attempt", "finish", "take_unpublished"}),
        (prepare_correction, {"begin", "cancel", "replace_report"}),
    ],
    ids=["report", "ambiguous_absent", "ambiguous_received", "correction"],
)
async def test_a_kill_at_any_boundary_loses_and_doubles_nothing(
    crashes: Crashes, prepare: Prepare, must_pass: set[str]
) -> None:
    killed, passed = 0, list[str]()
    for number in range(200):
        await prepare(crashes)
        passed, ended = await crashes.run(str(number))
        await crashes.settle()
        await crashes.check()
        if ended == 0:
            break
        assert ended == KILLED
        killed += 1
    assert must_pass <= set(passed)
    assert killed == len(passed)
    sys.stdout.write(f"{killed}/{len(passed)} boundaries survived: {', '.join(passed)}\n")
