"""Proves from the record that what was charged is what was completed, and heals nothing."""

from msaas.cli.audit.checks import CHECKS, Check
from msaas.cli.audit.examine import Examined, RowsHidden, Violation, audit

__all__ = ["CHECKS", "Check", "Examined", "RowsHidden", "Violation", "audit"]
