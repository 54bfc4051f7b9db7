"""Takes a loaded fleet apart on purpose, and proves that nothing was lost, nothing done twice."""

from msaas.cli.chaos.blows import SCENARIOS, Scenario
from msaas.cli.chaos.load import be_somebody
from msaas.cli.chaos.own_fleet import OwnFleet
from msaas.cli.chaos.rounds import LONG, SHORT, Round, Size

__all__ = [
    "LONG",
    "SCENARIOS",
    "SHORT",
    "OwnFleet",
    "Round",
    "Scenario",
    "Size",
    "be_somebody",
]
