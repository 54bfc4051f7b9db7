"""The store of dead letters: each stored once, replayed by one command at a time, and listed."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

from msaas.contracts import LetterClass, LetterState, ListDeadLetters, ReplayDeadLetters
from msaas.jobs.adapters.postgres import dead_letters_sql as sql
from msaas.jobs.adapters.postgres.dead_letters_rows import (
    entry_columns,
    read_job,
    read_job_detail,
    read_message,
    read_message_detail,
    read_summary,
    topic_of,
)
from msaas.jobs.adapters.postgres.rows import TOPIC_OF, fetch_rows
from msaas.jobs.application.dead_letters_ports import (
    AddedDeadLetter,
    DeadLetterRow,
    NewDeadLetter,
    ReplayContext,
    ReplayPlan,
    ResolvedDeadLetters,
    ScheduledReplay,
)
from msaas.jobs.domain.dead_letters import REPLAYS_PER_MINUTE
from msaas.kernel import new_id
from msaas.postgres import Database, DatabaseConnection

LOCK_TIMEOUT: Final = 2.0
"""Seconds to wait for another process's replay, which locks no row of other transactions."""


class PostgresDeadLetters:
    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def begin_collection(self) -> AsyncGenerator["_CollectTransaction"]:
        async with self._database.transaction() as connection:
            yield _CollectTransaction(connection)

    @asynccontextmanager
    async def begin_replay(self) -> AsyncGenerator["_ReplayTransaction"]:
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            yield _ReplayTransaction(connection)

    async def undo_replay(self, replay_id: UUID, dead_letter_ids: Sequence[UUID]) -> None:
        async with self._database.connection() as connection:
            await connection.execute(sql.UNDO_REPLAYS, replay_id, dead_letter_ids)

    async def resolve(
        self, dead_letter_ids: Sequence[UUID], reason: str, resolved_by: UUID
    ) -> ResolvedDeadLetters:
        async with self._database.transaction() as connection:
            messages = await connection.fetch(
                sql.RESOLVE_MESSAGES, dead_letter_ids, reason, resolved_by
            )
            jobs = await connection.fetch(sql.RESOLVE_JOBS, dead_letter_ids, reason, resolved_by)
            await connection.execute(sql.UNSCHEDULE_REPLAYS, dead_letter_ids)
            known = await connection.fetch(sql.FIND_KNOWN, dead_letter_ids)
        changed = [(row["topic"], row["class"]) for row in messages]
        changed += [(topic_of(row["task_type"]), str(LetterClass.JOB)) for row in jobs]
        return ResolvedDeadLetters(frozenset(row["id"] for row in known), changed)

    async def list_due(self, paused: Sequence[str]) -> Sequence[UUID]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.LIST_DUE, paused, REPLAYS_PER_MINUTE)
        return [row["dead_letter_id"] for row in rows]

    async def list_dead_letters(self, query: ListDeadLetters) -> Sequence[DeadLetterRow]:
        """Read a page of messages and one of jobs, each by its index, and merge them."""
        found: list[DeadLetterRow] = []
        cursor = (query.before_at, query.before_id, query.limit)
        async with self._database.connection() as connection:
            if query.letter_class is not LetterClass.JOB:
                chosen = (query.state, query.letter_class, query.topic)
                rows = await connection.fetch(sql.LIST_MESSAGES, *chosen, *cursor)
                found += [read_summary(row) for row in rows]
            if query.letter_class in {None, LetterClass.JOB} and _includes_jobs(query):
                rows = await connection.fetch(
                    sql.LIST_JOBS, query.state, _task_types(query.topic), *cursor
                )
                found += [read_summary(row) for row in rows]
        found.sort(key=lambda row: (row["died_at"], row["id"]), reverse=True)
        return found[: query.limit]

    async def find_dead_letter(self, dead_letter_id: UUID) -> DeadLetterRow | None:
        async with self._database.connection() as connection:
            if row := await connection.fetchrow(sql.SHOW_MESSAGE, dead_letter_id):
                return read_message_detail(row)
            row = await connection.fetchrow(sql.SHOW_JOB, dead_letter_id)
        return read_job_detail(row) if row else None

    async def count_open(self) -> Mapping[tuple[str, str], int]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.COUNT_OPEN)
        return {(row["topic"], row["class"]): row["count"] for row in rows}


class _CollectTransaction:
    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    async def lock(self, entries: Sequence[NewDeadLetter]) -> Sequence[AddedDeadLetter]:
        rows = await self._connection.fetch(sql.INSERT_DEAD_LETTERS, *entry_columns(entries))
        return [
            AddedDeadLetter(row["id"], row["topic"], LetterClass(row["class"]), row["replay_count"])
            for row in rows
        ]

    async def store(self, scheduled: Sequence[ScheduledReplay]) -> None:
        await schedule_replays(self._connection, scheduled, requested_by=None)


class _ReplayTransaction:
    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    async def lock(self, command: ReplayDeadLetters) -> ReplayContext:
        fetch, ids = self._connection.fetch, command.letters
        await self._connection.execute("SELECT pg_advisory_xact_lock($1)", sql.ADVISORY_LOCK)
        recent: int = await self._connection.fetchval(sql.COUNT_RECENT_REPLAYS)
        already_replayed = await fetch(sql.FIND_ALREADY_REPLAYED, command.replay_id, ids)
        messages = [read_message(row) for row in await fetch(sql.LOCK_MESSAGES, ids)]
        jobs = [read_job(row) for row in await fetch(sql.FIND_JOBS, ids)]
        return ReplayContext(
            budget=REPLAYS_PER_MINUTE - recent,
            dead_letters={dead_letter.id: dead_letter for dead_letter in (*messages, *jobs)},
            already_replayed=frozenset(row["dead_letter_id"] for row in already_replayed),
        )

    async def store(self, plan: ReplayPlan) -> None:
        replayed, requested_by = plan.list_newly_replayed(), plan.command.asked_by
        finished = [*(dead_letter.id for dead_letter in replayed), *plan.rejected]
        rows = await fetch_rows(
            self._connection, sql.UNSCHEDULE_REPLAYS, [(id_,) for id_ in finished]
        )
        scheduled_by = {row["dead_letter_id"]: row["requested_by"] for row in rows}
        done = [
            (new_id(), item.id, item.topic, requested_by or scheduled_by.get(item.id))
            for item in replayed
        ]
        await fetch_rows(self._connection, sql.INSERT_REPLAYS, done, plan.command.replay_id)
        marked = [(dead_letter.id,) for dead_letter in replayed]
        await fetch_rows(self._connection, sql.MARK_REPLAYED, marked)
        waiting = [
            ScheduledReplay(dead_letter.id, dead_letter.topic, timedelta(0))
            for dead_letter, _ in plan.waiting.values()
        ]
        await schedule_replays(self._connection, waiting, requested_by=requested_by)


async def schedule_replays(
    connection: DatabaseConnection,
    scheduled: Sequence[ScheduledReplay],
    *,
    requested_by: UUID | None,
) -> None:
    rows = [(new_id(), id_, topic, requested_by, delay) for id_, topic, delay in scheduled]
    await fetch_rows(connection, sql.SCHEDULE_REPLAYS, rows)


def _includes_jobs(query: ListDeadLetters) -> bool:
    """Leave out jobs of state REPLAYED: a replayed job has no longer failed."""
    return query.state is not LetterState.REPLAYED


def _task_types(topic: str | None) -> list[str] | None:
    if topic is None:
        return None
    return [task_type for task_type, its_topic in TOPIC_OF.items() if its_topic == topic]
