"""`./msaas chaos`: scenario by scenario, a line of figures each, and the audit at the end."""

import asyncio
import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from msaas.cli.audit import audit_url, format_results, has_violations
from msaas.dev.chaos.clients import open_clients
from msaas.dev.chaos.faults import SCENARIOS, Scenario
from msaas.dev.chaos.isolated_fleet import IsolatedFleet, start_fleet
from msaas.dev.chaos.scenario_run import LONG, SHORT, LoadProfile, ScenarioResult, run_scenario
from msaas.embedded import LocalError

_TABLE_HEADER = (
    f"  {'scenario':<24}{'accepted':>9}{'completed':>10}{'retries':>12}{'reruns':>10}"
    f"{'slowest answer':>15}{'all done after':>15}"
)


def run(argv: list[str]) -> int:
    parser = ArgumentParser("msaas chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="each scenario once, with less load")
    parser.add_argument(
        "words", nargs="*", metavar="SCENARIO", help="only scenarios whose name contains a word"
    )
    options = parser.parse_args(argv)
    chosen = select_scenarios(options.words, short=options.short)
    if not chosen:
        names = ", ".join(scenario.name for scenario in SCENARIOS)
        parser.error(f"no such scenario; there are: {names}")
    try:
        with start_fleet() as fleet:
            is_sound = asyncio.run(run_scenarios(fleet, chosen, SHORT if options.short else LONG))
    except LocalError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    return 0 if is_sound else 1


def select_scenarios(words: Sequence[str], *, short: bool) -> list[Scenario]:
    """Take those whose name holds one of the words; without words, all that are meant."""
    if words:
        return [one for one in SCENARIOS if any(word in one.name for word in words)]
    return [one for one in SCENARIOS if one.is_short or not short]


async def run_scenarios(
    fleet: IsolatedFleet, scenarios: Sequence[Scenario], profile: LoadProfile
) -> bool:
    """Play them one after the other on one fleet; tell whether nothing was wrong with any."""
    is_sound = True
    print(_TABLE_HEADER, flush=True)
    async with open_clients(fleet) as clients:
        for scenario in scenarios:
            result = await run_scenario(fleet, clients, scenario, profile)
            print(format_result(result), flush=True)
            is_sound = is_sound and not result.problems
    examined = await audit_url(fleet.url("postgres"))
    print(*format_results(examined), sep="\n")
    return is_sound and not has_violations(examined)


def format_result(result: ScenarioResult) -> str:
    stats = result.stats
    line = (
        f"{'✗' if result.problems else '✓'} {result.name:<24}{len(stats.job_ids):>9,}"
        f"{result.completed:>10,}{stats.retries:>12,}{result.rerun:>10,}"
        f"{stats.slowest:>13.2f} s{result.recovery_seconds:>13.2f} s"
    )
    return "\n".join([line, *(f"    {problem}" for problem in result.problems)])
