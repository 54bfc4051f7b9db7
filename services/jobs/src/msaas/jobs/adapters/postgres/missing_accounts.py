"""Subjects for users who submit for the first time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg

from msaas.contracts import Plan
from msaas.jobs.adapters.postgres.intake_sql import CREATE_SUBJECTS, FIND_MISSING
from msaas.jobs.domain.periods import open_period
from msaas.postgres import DatabaseConnection


async def create_missing_accounts(
    connection: DatabaseConnection, plans: Mapping[UUID, Plan]
) -> None:
    """Mint in the order of users, so that two batches never wait for each other's."""
    if not plans:
        return
    if rows := await connection.fetch(FIND_MISSING, list(plans)):
        missing = [row["user_id"] for row in rows]
        await _create(connection, missing, plans, rows[0]["now"])


async def _create(
    connection: DatabaseConnection, users: Sequence[UUID], plans: Mapping[UUID, Plan], now: datetime
) -> None:
    """Leave out users who do not exist: they are found by halves, since nobody may look them up."""
    periods = [open_period(plans[user], now) for user in users]
    await connection.execute("SAVEPOINT missing_accounts")
    try:
        await connection.execute(
            CREATE_SUBJECTS,
            [uuid4() for _ in users],  # random: a subject must not tell when its user came
            users,
            [plans[user] for user in users],
            [period.start for period in periods],
            [period.end for period in periods],
        )
    except asyncpg.ForeignKeyViolationError:
        await connection.execute("ROLLBACK TO missing_accounts")
        if len(users) > 1:
            middle = len(users) // 2
            await _create(connection, users[:middle], plans, now)
            await _create(connection, users[middle:], plans, now)
