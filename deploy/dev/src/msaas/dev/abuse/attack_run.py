"""Runs attacks one by one, measures what each costs, and serves an honest client after it."""

import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Final

from msaas.dev.abuse.attack import ANSWER_SECONDS, Attack, Target
from msaas.dev.abuse.browsing import serve_hostile_sites, visit_once
from msaas.dev.abuse.connections import find_open_connections
from msaas.dev.abuse.measuring import Cost, measure_cost, measure_slowness, wait_until_idle
from msaas.dev.chaos.clients import sign_in_new_user
from msaas.dev.chaos.isolated_fleet import IsolatedFleet
from msaas.local.api_client import ApiClient
from msaas.local.state import ProcessId

_HEADER: Final = (
    f"  {'attack':<30}{'cases':>6}{'CPU each':>12}{'bound':>9}{'memory':>10}{'bound':>9}"
    f"{'honest answer':>15}"
)
_SITES: Final = 8


@dataclass(frozen=True, slots=True)
class Effort:
    """The cases of each attack in one cycle, and the number of cycles; each has its own seed."""

    cases: int
    cycles: int = 1


SHORT: Final = Effort(cases=10)
LONG: Final = Effort(cases=60, cycles=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackResult:
    attack: Attack
    cases: int
    cost: Cost
    slowness: float
    answer_seconds: float
    found: Sequence[str]

    @property
    def cpu_seconds(self) -> float:
        return self.cost.cpu_seconds / self.cases

    @property
    def cpu_bound(self) -> float:
        return self.attack.bound.cpu_seconds * self.slowness

    @property
    def problems(self) -> Iterator[str]:
        yield from self.found
        if self.cpu_seconds > self.cpu_bound:
            yield "it used too much processor time"
        if self.cost.megabytes > self.attack.bound.megabytes:
            yield "it used too much memory"


@dataclass(frozen=True, slots=True)
class AttackRun:
    """Attacks on one fleet, and the honest client that uses it meanwhile."""

    fleet: IsolatedFleet
    target: Target
    honest: ApiClient

    async def run(self, attack: Attack, seed: int, cases: int) -> AttackResult:
        random = Random(f"{seed} {attack.name}")  # noqa: S311  # a seed repeats a run
        cases = max(1, round(cases * attack.weight))
        async with measure_cost(get_pid(self.fleet, attack.part)) as cost:
            found = list(await attack.send(self.target, random, cases))
            began = time.monotonic()
            found += await self._find_refusals(attack)
            answer_seconds = time.monotonic() - began
            if self.target.held:
                await wait_until_idle(cost)
        return AttackResult(
            attack=attack,
            cases=cases,
            cost=cost,
            slowness=measure_slowness(),
            answer_seconds=answer_seconds,
            found=found,
        )

    async def _find_refusals(self, attack: Attack) -> Sequence[str]:
        """Use what was attacked as an honest client does, once."""
        answer = await self.honest.request("GET", "/me", timeout=ANSWER_SECONDS)
        if not answer.is_success:
            return [f"an honest client was answered with {answer.status_code}"]
        if attack.part == "gateway":
            return []
        params = {"url": f"{self.fleet.running.site_url}/"}
        outcome = await visit_once(self.honest, "navigate_and_extract_text", params)
        return [] if outcome == "succeeded" else [f"an honest visit ended with {outcome}"]


async def run_attacks(
    fleet: IsolatedFleet, attacks: Sequence[Attack], effort: Effort, *, seed: int
) -> bool:
    """Run the attacks on one fleet; return whether none had a problem."""
    before = list_processes(fleet)
    problems: list[str] = []
    print(_HEADER, flush=True)
    async with _open_run(fleet, seed) as attack_run:
        for cycle in range(effort.cycles):
            for attack in attacks:
                result = await attack_run.run(attack, seed + cycle, effort.cases)
                print(format_result(result), flush=True)
                problems += result.problems
            left = await find_open_connections(attack_run.target)
            print(*(f"✗ {problem}" for problem in left), sep="\n", end="", flush=True)
            problems += left
    restarted = [name for name, process in list_processes(fleet).items() if process != before[name]]
    print(*(f"✗ {name} was restarted" for name in restarted), sep="\n", end="")
    print("✗ the fleet was harmed" if problems or restarted else "✓ the fleet is unharmed")
    return not problems and not restarted


@asynccontextmanager
async def _open_run(fleet: IsolatedFleet, seed: int) -> AsyncGenerator[AttackRun]:
    async with (
        sign_in_new_user(fleet, "ENTERPRISE") as attacker,
        sign_in_new_user(fleet, "PRO") as honest,
    ):
        with serve_hostile_sites(seed, _SITES) as site_urls:
            pid = get_pid(fleet, "gateway")
            target = Target(attacker, fleet.running.gateway_url, pid, site_urls)
            yield AttackRun(fleet, target, honest)


def format_result(result: AttackResult) -> str:
    problems = list(result.problems)
    bound = result.attack.bound
    line = (
        f"{'✗' if problems else '✓'} {result.attack.name:<30}{result.cases:>6}"
        f"{result.cpu_seconds * 1000:>9,.1f} ms{result.cpu_bound * 1000:>6,.0f} ms"
        f"{result.cost.megabytes:>7,.1f} MB{bound.megabytes:>6,.0f} MB"
        f"{result.answer_seconds:>13.2f} s"
    )
    return "\n".join([line, *(f"    {problem}" for problem in problems)])


def list_processes(fleet: IsolatedFleet) -> dict[str, ProcessId | None]:
    names = ("gateway", "jobs", "jobs-worker", "browser-worker", "redis", "postgres")
    return {name: fleet.part(name).process for name in names}


def get_pid(fleet: IsolatedFleet, part: str) -> int:
    process = fleet.part(part).process
    if process is None:
        raise LookupError(part)
    return process.pid
