"""Proves from the record that what was charged is what was completed, and heals nothing."""

from msaas.cli.audit.checks import CHECKS, Check
from msaas.cli.audit.examine import Examined, RowsHidden, Violation, audit, audit_url
from msaas.cli.audit.words import SOUND, describe, is_broken, name_violation

__all__ = [
    "CHECKS",
    "SOUND",
    "Check",
    "Examined",
    "RowsHidden",
    "Violation",
    "audit",
    "audit_url",
    "describe",
    "is_broken",
    "name_violation",
]
