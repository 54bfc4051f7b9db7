"""Injects faults into a loaded fleet and verifies that no job was lost, done or charged twice."""

from msaas.dev.chaos.clients import sign_in_new_user
from msaas.dev.chaos.faults import SCENARIOS, Scenario
from msaas.dev.chaos.isolated_fleet import IsolatedFleet, start_fleet
from msaas.dev.chaos.scenario_run import LONG, SHORT, LoadProfile, ScenarioResult

__all__ = [
    "LONG",
    "SCENARIOS",
    "SHORT",
    "IsolatedFleet",
    "LoadProfile",
    "Scenario",
    "ScenarioResult",
    "sign_in_new_user",
    "start_fleet",
]
