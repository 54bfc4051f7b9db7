"""One round: load, a blow in the middle of it, and what the record says when all is quiet again."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from msaas.cli.audit import audit_url, name_violation
from msaas.cli.chaos.blows import Scenario
from msaas.cli.chaos.load import Client, Seen
from msaas.cli.chaos.own_fleet import OwnFleet
from msaas.local.state import ProcessId

_LOOK_EVERY: Final = 0.1
_REPLAYED: Final = 20
_MADE = """
SELECT j.id::text AS id, j.status, (
  SELECT count(*) FROM jobs.job_attempts a WHERE a.job_id = j.id AND a.started_at IS NOT NULL
) AS runs
FROM jobs.jobs j WHERE j.idempotency_key LIKE $1 || '%'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How long a round is; `at_once` submissions of each user are on their way."""

    jobs: int
    blows: int
    at_once: int = 4
    delay_ms: int = 50
    ends_within: float = 120.0


SHORT: Final = Size(jobs=400, blows=1)
LONG: Final = Size(jobs=4_000, blows=3, ends_within=600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What the clients saw of it, and what is wrong with what is left."""

    name: str
    seen: Seen
    completed: int
    run_again: int
    settled_after: float
    problems: Sequence[str]


@dataclass
class _Play:
    """A round under way."""

    fleet: OwnFleet
    clients: Sequence[Client]
    scenario: Scenario
    size: Size
    prefix: str = field(default_factory=lambda: f"{uuid4().hex}-")
    seen: Seen = field(default_factory=Seen)
    struck_at: float = 0.0

    async def until_quiet(self) -> None:
        async with asyncio.TaskGroup() as group:
            for first, client in enumerate(self.clients):
                numbers = iter(range(first, self.size.jobs, len(self.clients)))
                for _ in range(self.size.at_once):
                    group.create_task(self._submit(client, numbers))
            group.create_task(self._strike())
        await _until(self.fleet.is_up)
        await _until(self.fleet.has_settled)

    async def _submit(self, client: Client, numbers: Iterator[int]) -> None:
        for number in numbers:
            await client.submit(self._key(number), self.size.delay_ms, self.seen)

    async def _strike(self) -> None:
        for number in range(1, self.size.blows + 1):
            share = number * self.size.jobs // (self.size.blows + 1)
            await _until(lambda share=share: len(self.seen.ids) >= share)
            before = self._struck_process()
            await self.scenario.blow(self.fleet)
            self.struck_at = time.monotonic()
            if self.scenario.ends:
                await _until(lambda before=before: self._struck_process() not in {before, None})
            await _until(self.fleet.is_up)

    def _struck_process(self) -> ProcessId | None:
        return self.fleet.part(self.scenario.ends).process if self.scenario.ends else None

    async def replay(self) -> list[str]:
        """Ask some of it again: whoever lost the answer is told of the same job."""
        again = Seen()
        for number in range(0, self.size.jobs, self.size.jobs // _REPLAYED or 1):
            client = self.clients[number % len(self.clients)]
            await client.submit(self._key(number), self.size.delay_ms, again)
        return [
            f"job {self.seen.ids[key]} became {job_id} when it was asked for again"
            for key, job_id in again.ids.items()
            if self.seen.ids[key] != job_id
        ]

    def _key(self, number: int) -> str:
        return f"{self.prefix}{number}"


async def play(fleet: OwnFleet, clients: Sequence[Client], scenario: Scenario, size: Size) -> Round:
    """Play one scenario to its end, which is bounded: what is open by then is a problem."""
    under_way = _Play(fleet, clients, scenario, size)
    problems: list[str] = []
    try:
        async with asyncio.timeout(size.ends_within):
            await under_way.until_quiet()
            settled_at = time.monotonic()
            problems += await under_way.replay()
    except TimeoutError:
        settled_at = time.monotonic()
        problems.append(f"it did not end within {size.ends_within:.0f} s")
    made = await fleet.fetch(_MADE, under_way.prefix)
    run_again = sum(row["runs"] > 1 for row in made)
    if run_again and not scenario.runs_again:
        problems.append(f"{run_again} jobs were run again")
    problems += compare(under_way.seen.ids.values(), {row["id"]: row["status"] for row in made})
    for examined in await audit_url(fleet.url("postgres")):
        problems += map(name_violation, examined.violations)
    return Round(
        name=scenario.name,
        seen=under_way.seen,
        completed=sum(row["status"] == "COMPLETED" for row in made),
        run_again=run_again,
        settled_after=settled_at - under_way.struck_at,
        problems=problems,
    )


def compare(told: Iterable[str], made: Mapping[str, str]) -> Iterator[str]:
    """Hold what the clients were told against what the record holds, job by job."""
    told = list(told)
    for job_id in told:
        if job_id not in made:
            yield f"job {job_id} was acknowledged and is not there"
        elif made[job_id] != "COMPLETED":
            yield f"job {job_id} is {made[job_id]}"
    yield from (f"job {job_id} was made and nobody was told" for job_id in made.keys() - set(told))
    if len(set(told)) < len(told):
        yield "two submissions were told of one job"


async def _until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    while True:
        answer = condition()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(_LOOK_EVERY)
