"""What agents keeps, and for how long: the rules of retention for schema `agents`."""

from collections.abc import Sequence
from typing import Final

from msaas.postgres import ExpiringRows, RetentionRule

# The plan that the run began with decides: agents knows no other.
_KEPT: Final = """CASE t.plan WHEN 'ENTERPRISE' THEN interval '90 days'
WHEN 'PRO' THEN interval '30 days' ELSE interval '7 days' END"""
_UNUSED: Final = "t.last_used_at < now() - interval '90 days'"


# What was asked and answered goes; the row stays with what it cost.
RUN_CONTENT: Final = ExpiringRows(
    name="run_content",
    kept="FREE 7 days, PRO 30 days, ENTERPRISE 90 days; what it cost, as long as the user",
    table="agents.runs",
    order={"finished_at": "timestamptz", "id": "uuid"},
    expired="t.finished_at < now() - interval '7 days' AND t.content_removed_at IS NULL",
    due=f"t.finished_at < now() - {_KEPT}",
    changes="params = NULL, answer = NULL, title = '', content_removed_at = now()",
    related="""
      UPDATE agents.llm_calls x SET answer = NULL FROM due WHERE x.run_id = due.id
    ), tool_calls AS (
      UPDATE agents.tool_calls x SET arguments = NULL, outcome = NULL FROM due
      WHERE x.run_id = due.id
    ), approvals AS (
      DELETE FROM agents.approvals x USING due WHERE x.run_id = due.id
    ), steps AS (
      UPDATE agents.steps x SET title = '', detail = NULL FROM due WHERE x.run_id = due.id
    ), checkpoints AS (
      DELETE FROM agents.checkpoints x USING due WHERE x.run_id = due.id
    ), blobs AS (
      DELETE FROM agents.checkpoint_blobs x USING due WHERE x.run_id = due.id
    ), writes AS (
      DELETE FROM agents.checkpoint_writes x USING due WHERE x.run_id = due.id
    ), frames AS (
      DELETE FROM agents.frame_outbox x USING due WHERE x.run_id = due.id
    """,
    largest=100,
)

DOCUMENTS: Final = ExpiringRows(
    name="documents",
    kept="90 days since a run has used them",
    table="agents.documents",
    order={"last_used_at": "timestamptz", "user_id": "uuid", "sha256": "text"},
    key=("user_id", "sha256"),
    expired=_UNUSED,
)

MEMORIES: Final = ExpiringRows(
    name="memories",
    kept="90 days since a run has used them",
    table="agents.memories",
    order={"last_used_at": "timestamptz", "id": "uuid"},
    expired=_UNUSED,
)

SPEND_DAYS: Final = ExpiringRows(
    name="spend_days",
    kept="30 days",
    table="agents.spend_days",
    order={"day": "date", "user_id": "uuid"},
    key=("user_id", "day"),
    expired="t.day < (now() - interval '30 days')::date",
)


def list_retention_rules() -> Sequence[RetentionRule]:
    return [RUN_CONTENT, DOCUMENTS, MEMORIES, SPEND_DAYS]
