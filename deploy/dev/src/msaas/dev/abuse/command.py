"""`./msaas abuse`: attacks a fleet of its own, and prints what each attack costs."""

import asyncio
import secrets
import sys
from argparse import ArgumentParser
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msaas.dev.abuse.attack import Attack
from msaas.dev.abuse.attack_run import LONG, SHORT, Effort, run_attacks
from msaas.dev.abuse.bodies import BODIES
from msaas.dev.abuse.browsing import BROWSING
from msaas.dev.abuse.connections import CONNECTIONS
from msaas.dev.chaos.isolated_fleet import IsolatedFleet
from msaas.embedded import LocalError
from msaas.local import Home

ATTACKS: Final[Sequence[Attack]] = (*BODIES, *CONNECTIONS, *BROWSING)
HOSTILE_SETTINGS: Final[Mapping[str, str]] = {"BROWSER_WORKER_ALLOWED_HOSTS": "127.0.0.1"}
"""The browser worker may visit the hostile sites, whose ports are not known before."""


def run(argv: list[str]) -> int:
    parser = ArgumentParser("msaas abuse", description=__doc__)
    parser.add_argument("--short", action="store_true", help="few cases of each attack, once")
    parser.add_argument("--seed", type=int, help="repeat a run; without it, a random one")
    parser.add_argument("--rounds", type=int, dest="cycles", help="how often all attacks run (3)")
    parser.add_argument(
        "names", nargs="*", metavar="ATTACK", help="only attacks whose name contains this text"
    )
    options = parser.parse_args(argv)
    chosen = select_attacks(options.names)
    if not chosen:
        parser.error(f"no such attack; available: {', '.join(each.name for each in ATTACKS)}")
    effort = SHORT if options.short else LONG
    effort = Effort(effort.cases, options.cycles or effort.cycles)
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    try:
        with start_hostile_fleet() as fleet:
            return 0 if asyncio.run(run_attacks(fleet, chosen, effort, seed=seed)) else 1
    except LocalError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1


def select_attacks(names: Sequence[str]) -> list[Attack]:
    """Return the attacks whose name contains one of `names`; without names, all of them."""
    if not names:
        return list(ATTACKS)
    return [attack for attack in ATTACKS if any(name in attack.name for name in names)]


@contextmanager
def start_hostile_fleet() -> Generator[IsolatedFleet]:
    """Start a fleet that may be attacked in a temporary folder, and stop it at the end."""
    with TemporaryDirectory(prefix="msaas-abuse-") as folder:
        Path(folder).chmod(0o711)
        fleet = IsolatedFleet(Home(Path(folder) / "home"))
        fleet.environment.update(HOSTILE_SETTINGS)
        try:
            fleet.start()
            yield fleet
        finally:
            fleet.local("down", "--wipe")
