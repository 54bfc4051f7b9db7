"""What the gateway keeps, and for how long: the rules of retention for schema `identity`."""

from collections.abc import Sequence
from typing import Final

from msaas.postgres import ExpiringRows, RetentionRule

# Ids are ordered by time, so the primary key serves as the index.
AUDIT_OUTBOX: Final = ExpiringRows(
    name="audit_outbox",
    kept="7 days after they were published",
    table="identity.audit_outbox",
    order={"id": "uuid"},
    expired="t.created_at < now() - interval '7 days'",
    due="t.sent_at < now() - interval '7 days'",
)


def list_retention_rules() -> Sequence[RetentionRule]:
    return [AUDIT_OUTBOX]
