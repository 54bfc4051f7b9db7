"""`./msaas chaos`: runs the scenarios, prints a line for each, then audits the fleet."""

import asyncio
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace

from msaas.cli.audit import audit_url, format_customers, format_results, has_violations
from msaas.dev.chaos.clients import open_clients
from msaas.dev.chaos.customers import settle_customers
from msaas.dev.chaos.faults import SCENARIOS, Scenario
from msaas.dev.chaos.isolated_fleet import IsolatedFleet, start_fleet
from msaas.dev.chaos.outcomes import SELECT_JOBS, StoredJob, find_wrong_effects
from msaas.dev.chaos.scenario_run import LONG, SHORT, LoadProfile, ScenarioResult, run_scenario
from msaas.embedded import LocalError

_TABLE_HEADER = (
    f"  {'scenario':<24}{'accepted':>9}{'completed':>10}{'given up':>9}{'effects':>9}{'reruns':>8}"
    f"{'unknown':>8}{'retries':>9}{'slowest answer':>15}{'all done after':>15}"
)


def run(argv: list[str]) -> int:
    parser = ArgumentParser("msaas chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="each scenario once, with less load")
    parser.add_argument("--jobs", type=int, metavar="N", help="so many jobs in each scenario")
    parser.add_argument(
        "names", nargs="*", metavar="SCENARIO", help="only scenarios whose name contains this text"
    )
    options = parser.parse_args(argv)
    chosen = select_scenarios(options.names, short=options.short)
    if not chosen:
        names = ", ".join(scenario.name for scenario in SCENARIOS)
        parser.error(f"no such scenario; available: {names}")
    profile = SHORT if options.short else LONG
    profile = replace(profile, jobs=options.jobs or profile.jobs)
    try:
        with start_fleet() as fleet:
            is_consistent = asyncio.run(run_scenarios(fleet, chosen, profile))
    except LocalError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    return 0 if is_consistent else 1


def select_scenarios(names: Sequence[str], *, short: bool) -> list[Scenario]:
    """Return the scenarios whose name contains one of `names`; without names, all of the run."""
    if names:
        return [scenario for scenario in SCENARIOS if any(map(scenario.name.__contains__, names))]
    return [scenario for scenario in SCENARIOS if scenario.is_short or not short]


async def run_scenarios(
    fleet: IsolatedFleet, scenarios: Sequence[Scenario], profile: LoadProfile
) -> bool:
    """Run the scenarios one by one on one fleet; return whether none had a problem."""
    is_consistent = True
    print(_TABLE_HEADER, flush=True)
    async with open_clients(fleet) as clients:
        for scenario in scenarios:
            result = await run_scenario(fleet, clients, scenario, profile)
            print(format_result(result), flush=True)
            is_consistent = is_consistent and not result.problems
    late_effects = await find_late_effects(fleet)
    customers = await settle_customers(fleet)
    examined = await audit_url(fleet.url("postgres"))
    print(*late_effects, *format_customers(customers), *format_results(examined), sep="\n")
    if late_effects or not is_consistent:
        print("✗ jobs were lost, or something was done twice: see the problems above")
    if not customers.is_settled:
        print("✗ the numbers of a customer are not equal")
    is_settled = customers.is_settled and not late_effects
    return is_consistent and is_settled and not has_violations(examined)


async def find_late_effects(fleet: IsolatedFleet) -> list[str]:
    """Judge all effects once more: a run may have acted after its scenario was judged."""
    jobs = [StoredJob(**row) for row in await fleet.fetch(SELECT_JOBS, "-")]
    return list(find_wrong_effects(jobs, fleet.read_effects()))


def format_result(result: ScenarioResult) -> str:
    stats = result.stats
    line = (
        f"{'✗' if result.problems else '✓'} {result.name:<24}{len(stats.job_ids):>9,}"
        f"{result.completed:>10,}{result.given_up:>9,}{result.effects:>9,}{result.rerun:>8,}"
        f"{len(stats.unknown):>8,}{stats.retries:>9,}"
        f"{stats.slowest:>13.2f} s{result.recovery_seconds:>13.2f} s"
    )
    return "\n".join([line, *(f"    {problem}" for problem in result.problems)])
