"""Runs one scenario: load, faults during it, and a comparison with the database at the end."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from msaas.cli.audit import audit_url, format_violation
from msaas.dev.chaos.clients import Submission, SubmissionStats, SubmittingClient
from msaas.dev.chaos.customers import cancel_and_keep
from msaas.dev.chaos.faults import Scenario
from msaas.dev.chaos.isolated_fleet import IsolatedFleet
from msaas.dev.chaos.outcomes import SELECT_JOBS, StoredJob, find_problems
from msaas.dev.chaos.waiting import wait_until
from msaas.local.state import ProcessId

_RESUBMITTED: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProfile:
    """The size of a run; each user has `concurrency` submissions in flight."""

    jobs: int
    faults: int
    concurrency: int = 4
    delay_ms: int = 1_000
    timeout: float = 120.0


SHORT: Final = LoadProfile(jobs=160, faults=1)
LONG: Final = LoadProfile(jobs=4_000, faults=3, timeout=600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult:
    """The figures of a run, and the problems that it found."""

    name: str
    stats: SubmissionStats
    completed: int
    given_up: int
    effects: int
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
            if self.scenario.changes_plans:
                for client in self.clients:
                    group.create_task(cancel_and_keep(client.api))
        await wait_until(self.fleet.is_up)
        await wait_until(self.fleet.has_settled)

    async def _submit(self, client: SubmittingClient, numbers: Iterator[int]) -> None:
        for number in numbers:
            await client.submit(self._plan(number), self.stats)

    async def _inject_faults(self) -> None:
        for number in range(1, self.profile.faults + 1):
            share = number * self.profile.jobs // (self.profile.faults + 1)
            await wait_until(lambda share=share: len(self.stats.job_ids) >= share)
            before = self._target_process()
            await self.scenario.fault(self.fleet)
            self.fault_at = time.monotonic()
            if self.scenario.restarts:
                await wait_until(lambda before=before: self._target_process() not in {before, None})
            await wait_until(self.fleet.is_up)

    def _target_process(self) -> ProcessId | None:
        return self.fleet.part(self.scenario.restarts).process if self.scenario.restarts else None

    async def resubmit(self) -> list[str]:
        """Submit some jobs again under the same keys; each response has to name the same job."""
        repeated = SubmissionStats()
        for number in range(0, self.profile.jobs, self.profile.jobs // _RESUBMITTED or 1):
            if (submission := self._plan(number)).has_key:
                client = self.clients[number % len(self.clients)]
                await client.submit(submission, repeated)
        return [
            f"job {self.stats.job_ids[request]} became {job_id} when it was submitted again"
            for request, job_id in repeated.job_ids.items()
            if self.stats.job_ids[request] != job_id
        ]

    def _plan(self, number: int) -> Submission:
        return Submission(self.prefix, number, self.profile.delay_ms)


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
    rows = await fleet.fetch(SELECT_JOBS, scenario_run.prefix)
    jobs, effects = [StoredJob(**row) for row in rows], fleet.read_effects()
    problems += find_problems(
        scenario_run.stats, jobs, effects, may_lose_runs=scenario.may_lose_runs
    )
    for result in await audit_url(fleet.url("postgres")):
        problems += map(format_violation, result.violations)
    acted = [effects[job.id] for job in jobs if job.id in effects]
    return ScenarioResult(
        name=scenario.name,
        stats=scenario_run.stats,
        completed=sum(job.status == "COMPLETED" for job in jobs),
        given_up=sum(job.was_given_up for job in jobs),
        effects=sum(runs.total() for runs in acted),
        rerun=sum(len(runs) > 1 for runs in acted),
        recovery_seconds=finished_at - scenario_run.fault_at,
        problems=problems,
    )
