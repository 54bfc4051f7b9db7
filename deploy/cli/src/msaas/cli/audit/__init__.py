"""Verifies in the database that completed jobs were charged once; it changes nothing."""

from msaas.cli.audit.checks import CHECKS, AuditCheck
from msaas.cli.audit.command import CONSISTENT, format_results, format_violation, has_violations
from msaas.cli.audit.customer_audit import CustomerAudit, audit_customers, format_customers
from msaas.cli.audit.runner import AuditResult, RowsHidden, Violation, audit, audit_url
from msaas.cli.audit.stripe_sums import find_stripe

__all__ = [
    "CHECKS",
    "CONSISTENT",
    "AuditCheck",
    "AuditResult",
    "CustomerAudit",
    "RowsHidden",
    "Violation",
    "audit",
    "audit_customers",
    "audit_url",
    "find_stripe",
    "format_customers",
    "format_results",
    "format_violation",
    "has_violations",
]
