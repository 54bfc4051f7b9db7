"""The budget of the scripts that each route of the dashboard loads first, compressed."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msaas.local.dashboard import ROUTES

_GROWTH: Final = 1.05  # what a change may add unnoticed


def measure_routes(built: Path) -> dict[str, int]:
    """Return the bytes that a browser without a cache downloads for each route."""
    routes = json.loads((built / Path(ROUTES).name).read_text())
    return {
        route["route"]: sum(_compressed(built / path) for path in route["firstLoadChunkPaths"])
        for route in sorted(routes, key=lambda route: str(route["route"]))
    }


def _compressed(path: Path) -> int:
    return len(gzip.compress(path.read_bytes(), mtime=0))


def find_overruns(budget: Mapping[str, int], sizes: Mapping[str, int]) -> list[str]:
    """Name each route that is larger than its budget by more than the tolerance, or has none."""
    return [
        f"{route} loads {size:,} bytes of scripts; its budget is {budget.get(route, 0):,}"
        for route, size in sizes.items()
        if size > budget.get(route, 0) * _GROWTH
    ]


def read_budget(path: Path) -> dict[str, int]:
    return {str(route): int(size) for route, size in json.loads(path.read_text()).items()}


def write_budget(path: Path, sizes: Mapping[str, int]) -> None:
    path.write_text(json.dumps(sizes, indent=2) + "\n")
