"""Takes a loaded fleet apart on purpose, and proves that nothing was lost, nothing done twice."""

from msaas.cli.chaos.faults import SCENARIOS, Scenario
from msaas.cli.chaos.clients import sign_in_new_user
from msaas.cli.chaos.isolated_fleet import IsolatedFleet
from msaas.cli.chaos.scenario_run import LONG, SHORT, ScenarioResult, LoadProfile

__all__ = [
    "LONG",
    "SCENARIOS",
    "SHORT",
    "IsolatedFleet",
    "ScenarioResult",
    "Scenario",
    "LoadProfile",
    "sign_in_new_user",
]
