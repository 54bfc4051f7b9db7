"""Takes a loaded fleet apart on purpose, and proves that nothing was lost, nothing done twice."""

from msaas.cli.chaos.blows import SCENARIOS, Scenario
from msaas.cli.chaos.load import Client, make_clients
from msaas.cli.chaos.own_fleet import OwnFleet, start_fleet
from msaas.cli.chaos.rounds import LONG, SHORT, Round, Size, play

__all__ = [
    "LONG",
    "SCENARIOS",
    "SHORT",
    "Client",
    "OwnFleet",
    "Round",
    "Scenario",
    "Size",
    "make_clients",
    "play",
    "start_fleet",
]
