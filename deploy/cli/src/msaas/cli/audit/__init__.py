"""Verifies in the database that completed jobs were charged once; it changes nothing."""

from msaas.cli.audit.checks import CHECKS, AuditCheck
from msaas.cli.audit.command import CONSISTENT, format_results, format_violation, has_violations
from msaas.cli.audit.runner import AuditResult, RowsHidden, Violation, audit, audit_url

__all__ = [
    "CHECKS",
    "CONSISTENT",
    "AuditCheck",
    "AuditResult",
    "RowsHidden",
    "Violation",
    "audit",
    "audit_url",
    "format_results",
    "format_violation",
    "has_violations",
]
