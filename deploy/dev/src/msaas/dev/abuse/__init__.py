"""Sends hostile bodies, connections, robots.txt files and pages to a fleet, and measures each."""

from msaas.dev.abuse.attack import Attack, Bound, Target
from msaas.dev.abuse.attack_run import LONG, SHORT, AttackResult, Effort, run_attacks
from msaas.dev.abuse.command import ATTACKS, HOSTILE_SETTINGS

__all__ = [
    "ATTACKS",
    "HOSTILE_SETTINGS",
    "LONG",
    "SHORT",
    "Attack",
    "AttackResult",
    "Bound",
    "Effort",
    "Target",
    "run_attacks",
]
