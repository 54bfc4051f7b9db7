"""`./msaas chaos`: scenario by scenario, a line of figures each, and the audit at the end."""

import asyncio
import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from msaas.cli.audit import audit_url, describe, is_broken
from msaas.cli.chaos.blows import SCENARIOS, Scenario
from msaas.cli.chaos.load import make_clients
from msaas.cli.chaos.own_fleet import OwnFleet, start_fleet
from msaas.cli.chaos.rounds import LONG, SHORT, Round, Size, play
from msaas.local.errors import LocalError

_HEAD = (
    f"  {'scenario':<24}{'accepted':>9}{'completed':>10}{'asked again':>12}{'run again':>10}"
    f"{'slowest answer':>15}{'all done after':>15}"
)


def run(argv: list[str]) -> int:
    parser = ArgumentParser("msaas chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="each scenario once, with less load")
    parser.add_argument("words", nargs="*", metavar="SCENARIO", help="only those that hold a word")
    options = parser.parse_args(argv)
    chosen = choose(options.words, short=options.short)
    if not chosen:
        names = ", ".join(scenario.name for scenario in SCENARIOS)
        parser.error(f"no such scenario; there are: {names}")
    try:
        with start_fleet() as fleet:
            sound = asyncio.run(disturb(fleet, chosen, SHORT if options.short else LONG))
    except LocalError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    return 0 if sound else 1


def choose(words: Sequence[str], *, short: bool) -> list[Scenario]:
    """Take those whose name holds one of the words; without words, all that are meant."""
    if words:
        return [one for one in SCENARIOS if any(word in one.name for word in words)]
    return [one for one in SCENARIOS if one.is_short or not short]


async def disturb(fleet: OwnFleet, scenarios: Sequence[Scenario], size: Size) -> bool:
    """Play them one after the other on one fleet; tell whether nothing was wrong with any."""
    sound = True
    print(_HEAD, flush=True)
    async with make_clients(fleet) as clients:
        for scenario in scenarios:
            played = await play(fleet, clients, scenario, size)
            print(describe_round(played), flush=True)
            sound = sound and not played.problems
    examined = await audit_url(fleet.url("postgres"))
    print(*describe(examined), sep="\n")
    return sound and not is_broken(examined)


def describe_round(played: Round) -> str:
    seen = played.seen
    line = (
        f"{'✗' if played.problems else '✓'} {played.name:<24}{len(seen.ids):>9,}"
        f"{played.completed:>10,}{seen.tried_again:>12,}{played.run_again:>10,}"
        f"{seen.slowest:>13.2f} s{played.settled_after:>13.2f} s"
    )
    return "\n".join([line, *(f"    {problem}" for problem in played.problems)])
