"""The scripts of the dashboard's routes stay within their budget."""

import json
from pathlib import Path

from msaas.dev.bundle_budget import find_overruns, measure_routes, read_budget, write_budget


def test_a_route_costs_what_its_scripts_take_compressed(tmp_path: Path) -> None:
    (tmp_path / "shared.js").write_text("a" * 10_000)
    (tmp_path / "jobs.js").write_text("b" * 10_000)
    routes = [
        {"route": "/login", "firstLoadChunkPaths": ["shared.js"]},
        {"route": "/jobs", "firstLoadChunkPaths": ["shared.js", "jobs.js"]},
    ]
    (tmp_path / "route-bundle-stats.json").write_text(json.dumps(routes))

    sizes = measure_routes(tmp_path)

    assert list(sizes) == ["/jobs", "/login"]
    assert 0 < sizes["/login"] < 100
    assert sizes["/jobs"] > sizes["/login"]
    write_budget(tmp_path / "budget.json", sizes)
    assert read_budget(tmp_path / "budget.json") == sizes


def test_a_route_may_grow_by_a_twentieth_and_needs_a_budget() -> None:
    budget = {"/jobs": 1000, "/login": 1000}

    assert find_overruns(budget, {"/jobs": 1050, "/login": 400}) == []
    [grown, new] = find_overruns(budget, {"/jobs": 1051, "/new": 1})

    assert "/jobs" in grown
    assert "/new" in new
