"""Published audit events leave the outbox after a week."""

import asyncio
import json
import os
import sys
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from msaas.gateway.settings import Settings
from msaas.kernel import new_id

INSERT = """
INSERT INTO identity.audit_outbox (id, body, correlation_id, created_at, sent_at)
VALUES ($1, '{}', 'c', now() - $2::interval, now() - $3::interval)
"""


async def insert(rows: asyncpg.Connection, created: float, sent: float | None) -> UUID:
    entry = new_id()
    ages = [None if age is None else timedelta(days=age) for age in (created, sent)]
    await rows.execute(INSERT, entry, *ages)
    return entry


@pytest.mark.parametrize(("act", "left"), [("plan", 4), ("run", 3)])
async def test_an_event_is_kept_for_a_week_after_it_was_published(
    rows: asyncpg.Connection, gateway_settings: Settings, act: str, left: int
) -> None:
    old = await insert(rows, 8, 8)
    kept = [await insert(rows, *ages) for ages in ((8, 6), (8, None), (6, 6))]
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "msaas.gateway", "retention", act),
        env=os.environ
        | {
            "ENVIRONMENT": "test",
            "DATABASE_URL": gateway_settings.database_url.get_secret_value(),
        },
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await program.communicate()
    assert program.returncode == 0
    [line] = map(json.loads, output.splitlines())
    assert (line["owner"], line["data_class"], line["rows"]) == ("gateway", "audit_outbox", 1)
    found = {row["id"] for row in await rows.fetch("SELECT id FROM identity.audit_outbox")}
    assert len(found) == left
    assert found - {old} == set(kept)
