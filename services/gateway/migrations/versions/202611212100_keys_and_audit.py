"""API keys that their users can see and turn over, and audit records on their way."""

from pathlib import Path

from alembic import op

revision = "202611212100_keys_and_audit"
down_revision = "202501010900_add_auth_billing_usage_tables"
branch_labels = depends_on = None


def upgrade() -> None:
    _run(".up.sql")


def downgrade() -> None:
    _run(".down.sql")


def _run(suffix: str) -> None:
    """Run the script that lies beside this file, one statement a paragraph."""
    for statement in Path(__file__).with_suffix(suffix).read_text("utf-8").split("\n\n"):
        op.execute(statement.strip().removesuffix(";"))
