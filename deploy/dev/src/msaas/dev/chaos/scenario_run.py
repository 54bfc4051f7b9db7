"""Runs one scenario: load, faults during it, and a comparison with the database at the end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from msaas.cli.audit import audit_url, format_violation
from msaas.dev.chaos.clients import SubmissionStats, SubmittingClient
from msaas.dev.chaos.faults import Scenario
from msaas.dev.chaos.isolated_fleet import IsolatedFleet
from msaas.local.state import ProcessId

_POLL_INTERVAL: Final = 0.1
_RESUBMITTED: Final = 20
_SELECT_JOBS = """
SELECT j.id::text AS id, j.status, (
  SELECT count(*) FROM jobs.job_attempts a WHERE a.job_id = j.id AND a.started_at IS NOT NULL
) AS runs
FROM jobs.jobs j WHERE j.idempotency_key LIKE $1 || '%'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProfile:
    """The size of a run; each user has `concurrency` submissions in flight."""

    jobs: int
    faults: int
    concurrency: int = 4
    delay_ms: int = 50
    timeout: float = 120.0


SHORT: Final = LoadProfile(jobs=400, faults=1)
LONG: Final = LoadProfile(jobs=4_000, faults=3, timeout=600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult:
    """The figures of a run, and the problems that it found."""

    name: str
    stats: SubmissionStats
    completed: int
    rerun: int
    recovery_seconds: float
    problems: Sequence[str]


@dataclass
class _ScenarioRun:
    """A scenario in progress."""

    fleet: IsolatedFleet
    clients: Sequence[SubmittingClient]
    scenario: Scenario
    profile: LoadProfile
    prefix: str = field(default_factory=lambda: f"{uuid4().hex}-")
    stats: SubmissionStats = field(default_factory=SubmissionStats)
    fault_at: float = 0.0

    async def run_to_completion(self) -> None:
        async with asyncio.TaskGroup() as group:
            for first, client in enumerate(self.clients):
                numbers = iter(range(first, self.profile.jobs, len(self.clients)))
                for _ in range(self.profile.concurrency):
                    group.create_task(self._submit(client, numbers))
            group.create_task(self._inject_faults())
        await _wait_until(self.fleet.is_up)
        await _wait_until(self.fleet.has_settled)

    async def _submit(self, client: SubmittingClient, numbers: Iterator[int]) -> None:
        for number in numbers:
            await client.submit(self._key(number), self.profile.delay_ms, self.stats)

    async def _inject_faults(self) -> None:
        for number in range(1, self.profile.faults + 1):
            share = number * self.profile.jobs // (self.profile.faults + 1)
            await _wait_until(lambda share=share: len(self.stats.job_ids) >= share)
            before = self._target_process()
            await self.scenario.fault(self.fleet)
            self.fault_at = time.monotonic()
            if self.scenario.restarts:
                await _wait_until(
                    lambda before=before: self._target_process() not in {before, None}
                )
            await _wait_until(self.fleet.is_up)

    def _target_process(self) -> ProcessId | None:
        return self.fleet.part(self.scenario.restarts).process if self.scenario.restarts else None

    async def resubmit(self) -> list[str]:
        """Submit some jobs again under the same keys; each response has to name the same job."""
        repeated = SubmissionStats()
        for number in range(0, self.profile.jobs, self.profile.jobs // _RESUBMITTED or 1):
            client = self.clients[number % len(self.clients)]
            await client.submit(self._key(number), self.profile.delay_ms, repeated)
        return [
            f"job {self.stats.job_ids[key]} became {job_id} when it was submitted again"
            for key, job_id in repeated.job_ids.items()
            if self.stats.job_ids[key] != job_id
        ]

    def _key(self, number: int) -> str:
        return f"{self.prefix}{number}"


async def run_scenario(
    fleet: IsolatedFleet,
    clients: Sequence[SubmittingClient],
    scenario: Scenario,
    profile: LoadProfile,
) -> ScenarioResult:
    """Run one scenario; a job that is open at the timeout is a problem."""
    scenario_run = _ScenarioRun(fleet, clients, scenario, profile)
    problems: list[str] = []
    try:
        async with asyncio.timeout(profile.timeout):
            await scenario_run.run_to_completion()
            finished_at = time.monotonic()
            problems += await scenario_run.resubmit()
    except TimeoutError:
        finished_at = time.monotonic()
        problems.append(f"jobs were still open after {profile.timeout:.0f} s")
    stored = await fleet.fetch(_SELECT_JOBS, scenario_run.prefix)
    rerun = sum(row["runs"] > 1 for row in stored)
    if rerun and not scenario.may_rerun_jobs:
        problems.append(f"{rerun} jobs were rerun")
    problems += compare_with_database(
        scenario_run.stats.job_ids.values(), {row["id"]: row["status"] for row in stored}
    )
    for result in await audit_url(fleet.url("postgres")):
        problems += map(format_violation, result.violations)
    return ScenarioResult(
        name=scenario.name,
        stats=scenario_run.stats,
        completed=sum(row["status"] == "COMPLETED" for row in stored),
        rerun=rerun,
        recovery_seconds=finished_at - scenario_run.fault_at,
        problems=problems,
    )


def compare_with_database(acknowledged: Iterable[str], stored: Mapping[str, str]) -> Iterator[str]:
    """Compare the jobs that the clients know with those in the database."""
    acknowledged = list(acknowledged)
    for job_id in acknowledged:
        if job_id not in stored:
            yield f"job {job_id} was acknowledged but is not in the database"
        elif stored[job_id] != "COMPLETED":
            yield f"job {job_id} is {stored[job_id]}"
    yield from (
        f"job {job_id} was created but not acknowledged"
        for job_id in stored.keys() - set(acknowledged)
    )
    if len(set(acknowledged)) < len(acknowledged):
        yield "two submissions were acknowledged with the same job"


async def _wait_until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    while True:
        answer = condition()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(_POLL_INTERVAL)
