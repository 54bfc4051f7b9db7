"""What the benchmarks of a whole fleet print, and how they end."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import uvloop

from msaas.dev.chaos.isolated_fleet import IsolatedFleet, start_fleet

FleetBenchmark = Callable[[IsolatedFleet, Any], Coroutine[Any, Any, list[str]]]


@dataclass
class Table:
    """Prints as it goes, and remembers what missed its goal."""

    missed: list[str] = field(default_factory=list[str])

    def row(self, name: str, *cells: str) -> None:
        print(f"{name:<34}{''.join(f'{cell:>16}' for cell in cells)}", flush=True)

    def goal(self, name: str, *cells: str, goal: str, met: bool) -> None:
        self.row(name, *cells, f"goal {goal}", "met" if met else "MISSED")
        if not met:
            self.missed.append(name)


def measure_fleet(measure: FleetBenchmark, options: Any) -> int:
    """Measure a fleet of its own, and say what missed its goal: none is a success."""
    with start_fleet() as fleet:
        missed = uvloop.run(measure(fleet, options))
    print(f"goals missed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0
