"""The result table and the exit code of the benchmarks that use a whole fleet."""

from argparse import Namespace
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

import uvloop

from msaas.dev.chaos.isolated_fleet import IsolatedFleet, start_fleet

FleetBenchmark = Callable[[IsolatedFleet, Namespace], Coroutine[object, None, list[str]]]


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


def measure_fleet(measure: FleetBenchmark, options: Namespace) -> int:
    """Measure a new fleet and print the missed goals; return 0 if there are none."""
    with start_fleet() as fleet:
        missed = uvloop.run(measure(fleet, options))
    print(f"goals missed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0
