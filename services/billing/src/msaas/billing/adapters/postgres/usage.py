"""Usage in Postgres: each entry is one row for ever, and each chain is followed once."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from msaas.billing.adapters.postgres import usage_sql as sql
from msaas.billing.application.metering_ports import Gap
from msaas.billing.domain.errors import UsageRefused
from msaas.billing.domain.metering import Link, follow_chain
from msaas.billing.domain.usage import UsageEvent
from msaas.contracts import Plan
from msaas.postgres import Database, DatabaseConnection

# Batches of one subject are taken one after the other.
CHAIN_LOCK_TIMEOUT: Final = 5.0
REPORT_AFTER: Final = timedelta(minutes=1)
MAX_LINKS: Final = 5_000


class PostgresUsage:
    def __init__(self, database: Database, *, report_after: timedelta = REPORT_AFTER) -> None:
        self._database = database
        self._report_after = report_after

    async def take(self, events: Sequence[UsageEvent]) -> int:
        users: dict[UUID, UUID | None] = {}
        highest: dict[UUID, int] = defaultdict(int)
        for event in events:
            users[event.subject_id] = event.user_id or users.get(event.subject_id)
            highest[event.subject_id] = max(highest[event.subject_id], event.seq)
        async with self._database.transaction(lock_timeout=CHAIN_LOCK_TIMEOUT) as connection:
            chains = await connection.fetch(sql.OPEN_CHAINS, list(users), list(users.values()))
            await _insert(connection, events)
            return sum(
                [await _follow(connection, chain, highest[chain["subject_id"]]) for chain in chains]
            )

    async def claim_gaps(self, age: timedelta, pause: timedelta, limit: int) -> Sequence[Gap]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.CLAIM_GAPS, age, pause, limit)
        return [
            Gap(
                subject_id=row["subject_id"],
                first_seq=row["first_seq"],
                last_seq=row["last_seq"] if row["last_seq"] >= row["first_seq"] else None,
            )
            for row in rows
        ]

    async def list_due(self, limit: int) -> Sequence[UUID]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.LIST_DUE, limit, self._report_after)
        return [row["subject_id"] for row in rows]

    async def count_unreported(self) -> tuple[int, float]:
        async with self._database.connection() as connection:
            (row,) = await connection.fetch(sql.COUNT_UNREPORTED)
        return row["units"], row["age"]


async def _insert(connection: DatabaseConnection, events: Sequence[UsageEvent]) -> None:
    await connection.execute(sql.INSERT_EVENTS, *map(list, zip(*map(_row, events), strict=True)))
    keys = {(event.subject_id, event.seq, event.hash) for event in events}
    stored = await connection.fetchval(sql.COUNT_STORED, *map(list, zip(*keys, strict=True)))
    if stored != len(keys):
        raise UsageRefused


async def _follow(connection: DatabaseConnection, chain: Any, highest: int) -> int:
    """Return 1 where an entry is missing or does not fit, and 0 otherwise."""
    last_seq, head = chain["last_seq"], chain["head"]
    while True:
        rows = await connection.fetch(sql.LIST_LINKS, chain["subject_id"], last_seq, MAX_LINKS)
        links = [Link(row["seq"], row["prev_hash"], row["hash"]) for row in rows]
        reached, head = follow_chain(last_seq, head, links)
        is_stopped = reached - last_seq < MAX_LINKS
        last_seq = reached
        if is_stopped:
            break
    await connection.execute(sql.MOVE_CHAIN, chain["subject_id"], last_seq, head, highest)
    return int(bool(links) and links[-1].seq > last_seq)


def _row(event: UsageEvent) -> tuple[object, ...]:
    return (
        event.subject_id,
        event.seq,
        event.kind,
        event.job_id,
        event.quantity,
        event.plan,
        event.occurred_at,
        event.period_start,
        event.prev_hash,
        event.hash,
        event.billing,
    )


def read_event(row: Any) -> UsageEvent:
    return UsageEvent(
        subject_id=row["subject_id"],
        seq=row["seq"],
        kind=row["kind"],
        job_id=row["job_id"],
        quantity=row["quantity"],
        plan=Plan(row["plan"]) if row["plan"] else None,
        occurred_at=row["occurred_at"],
        period_start=row["period_start"],
        prev_hash=row["prev_hash"],
        hash=row["hash"],
    )
