"""The options, the result table and the exit code of benchmarks."""

import statistics
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import uvloop

from msaas.dev.chaos.isolated_fleet import IsolatedFleet, start_fleet

FleetBenchmark = Callable[[IsolatedFleet, Namespace], Coroutine[object, None, list[str]]]


def parse_options(
    name: str, purpose: str | None, defaults: Mapping[str, tuple[float | str, str]]
) -> Namespace:
    """Read the options of a benchmark from the command line; an option that is False is a flag."""
    parser = ArgumentParser(prog=f"msaas bench {name}", description=purpose)
    for option, (default, meaning) in defaults.items():
        if default is False:
            parser.add_argument(f"--{option}", action="store_true", help=meaning)
        else:
            parser.add_argument(f"--{option}", type=type(default), default=default, help=meaning)
    return parser.parse_args()


def percentiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Return p50, p95 and p99 in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100) if len(seconds) > 1 else [*seconds] * 99
    return cuts[49] * 1e3, cuts[94] * 1e3, cuts[98] * 1e3


@dataclass
class Table:
    """Prints each row at once, and collects the goals that were missed."""

    missed: list[str] = field(default_factory=list[str])

    def row(self, name: str, *cells: str) -> None:
        print(f"{name:<34}{''.join(f'{cell:>16}' for cell in cells)}", flush=True)

    def goal(self, name: str, *cells: str, goal: str, met: bool) -> None:
        self.row(name, *cells, f"goal {goal}", "met" if met else "MISSED")
        if not met:
            self.missed.append(name)

    def leaks(
        self, before: Mapping[str, float], after: Mapping[str, float], limits: Mapping[str, float]
    ) -> None:
        """Print resources before and after; those with a limit must stay below it."""
        for name, first in before.items():
            cells = (f"{first:.1f}", f"{after[name]:.1f}")
            if name in limits:
                self.goal(name, *cells, goal="flat", met=after[name] <= limits[name])
            else:
                self.row(name, *cells)


def address_of(fleet: IsolatedFleet) -> tuple[str, int]:
    address = urlsplit(fleet.running.gateway_url)
    return str(address.hostname), address.port or 80


def get_pid(fleet: IsolatedFleet, name: str) -> int:
    process = fleet.part(name).process
    if process is None:
        raise LookupError(f"{name} does not run")
    return process.pid


def measure_fleet(measure: FleetBenchmark, options: Namespace) -> int:
    """Measure a new fleet and print the missed goals; return 0 if there are none."""
    with start_fleet() as fleet:
        missed = uvloop.run(measure(fleet, options))
    print(f"goals missed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0
