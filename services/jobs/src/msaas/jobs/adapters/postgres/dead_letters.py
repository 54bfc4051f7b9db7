"""Dead letters in the record: kept once, replayed one command at a time, listed with one face."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

from msaas.contracts import TASKS, LetterClass, LetterState, ListDeadLetters
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
from msaas.jobs.application.dead_letters_ports import (
    DeadLetterRow,
    FindReplayDelay,
    NewDeadLetter,
    ReplayContext,
    ResolvedDeadLetters,
)
from msaas.jobs.domain.dead_letters import REPLAYS_PER_MINUTE, DeadLetter
from msaas.kernel import new_id
from msaas.postgres import Database, DatabaseConnection

LOCK_TIMEOUT: Final = 2.0
"""Seconds to wait for another process's replay, which holds no row that anybody else needs."""


class PostgresDeadLetters:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, entries: Sequence[NewDeadLetter], find_delay: FindReplayDelay
    ) -> Sequence[tuple[str, LetterClass]]:
        expired = {entry.id for entry in entries if entry.has_expired}
        async with self._database.transaction() as connection:
            rows = await connection.fetch(sql.INSERT_DEAD_LETTERS, *entry_columns(entries))
            scheduled = [
                (new_id(), row["id"], row["topic"], None, wait)
                for row in rows
                if (
                    wait := find_delay(
                        LetterClass(row["class"]),
                        row["replay_count"],
                        has_expired=row["id"] in expired,
                    )
                )
                is not None
            ]
            if scheduled:
                await connection.execute(sql.SCHEDULE_REPLAYS, *zip(*scheduled, strict=True))
        return [(row["topic"], LetterClass(row["class"])) for row in rows]

    @asynccontextmanager
    async def replay_transaction(self) -> AsyncGenerator["PostgresReplayTransaction"]:
        async with self._database.transaction(lock_timeout=LOCK_TIMEOUT) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", sql.ADVISORY_LOCK)
            yield PostgresReplayTransaction(connection)

    async def undo_replay(self, replay_id: UUID, letter_ids: Sequence[UUID]) -> None:
        async with self._database.connection() as connection:
            await connection.execute(sql.UNDO_REPLAYS, replay_id, letter_ids)

    async def resolve(
        self, letter_ids: Sequence[UUID], reason: str, resolved_by: UUID
    ) -> ResolvedDeadLetters:
        async with self._database.transaction() as connection:
            messages = await connection.fetch(sql.RESOLVE_MESSAGES, letter_ids, reason, resolved_by)
            jobs = await connection.fetch(sql.RESOLVE_JOBS, letter_ids, reason, resolved_by)
            await connection.execute(sql.UNSCHEDULE_REPLAYS, letter_ids)
            known = await connection.fetch(sql.FIND_KNOWN, letter_ids)
        changed = [(row["topic"], row["class"]) for row in messages]
        changed += [(topic_of(row["task_type"]), str(LetterClass.JOB)) for row in jobs]
        return ResolvedDeadLetters(frozenset(row["id"] for row in known), changed)

    async def list_due(self, paused: Sequence[str]) -> Sequence[UUID]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.LIST_DUE, paused, REPLAYS_PER_MINUTE)
        return [row["letter_id"] for row in rows]

    async def list_dead_letters(self, query: ListDeadLetters) -> Sequence[DeadLetterRow]:
        """Read a page of each kind, so that each has an index to go by, and merge them."""
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

    async def find_dead_letter(self, letter_id: UUID) -> DeadLetterRow | None:
        async with self._database.connection() as connection:
            if row := await connection.fetchrow(sql.SHOW_MESSAGE, letter_id):
                return read_message_detail(row)
            row = await connection.fetchrow(sql.SHOW_JOB, letter_id)
        return read_job_detail(row) if row else None

    async def count_open(self) -> Mapping[tuple[str, str], int]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.COUNT_OPEN)
        return {(row["topic"], row["class"]): row["letters"] for row in rows}


class PostgresReplayTransaction:
    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    async def lock(self, replay_id: UUID, letter_ids: Sequence[UUID]) -> ReplayContext:
        fetch = self._connection.fetch
        done: int = await self._connection.fetchval(sql.COUNT_RECENT_REPLAYS)
        already_replayed = await fetch(sql.FIND_ALREADY_REPLAYED, replay_id, letter_ids)
        messages = [read_message(row) for row in await fetch(sql.LOCK_MESSAGES, letter_ids)]
        jobs = [read_job(row) for row in await fetch(sql.FIND_JOBS, letter_ids)]
        return ReplayContext(
            budget=REPLAYS_PER_MINUTE - done,
            dead_letters={one.id: one for one in (*messages, *jobs)},
            already_replayed=frozenset(row["letter_id"] for row in already_replayed),
        )

    async def store(
        self,
        replay_id: UUID,
        asked_by: UUID | None,
        *,
        replayed: Sequence[DeadLetter],
        waiting: Sequence[DeadLetter],
        refused: Sequence[UUID],
    ) -> None:
        finished = [*(one.id for one in replayed), *refused]
        rows = await self._connection.fetch(sql.UNSCHEDULE_REPLAYS, finished) if finished else []
        requested_by = {row["letter_id"]: row["asked_by"] for row in rows}
        if replayed:
            done = [
                (new_id(), one.id, one.topic, asked_by or requested_by.get(one.id))
                for one in replayed
            ]
            columns = zip(*done, strict=True)
            await self._connection.execute(sql.INSERT_REPLAYS, *columns, replay_id)
            await self._connection.execute(sql.MARK_REPLAYED, [one.id for one in replayed])
        if waiting:
            scheduled = [(new_id(), one.id, one.topic, asked_by, timedelta(0)) for one in waiting]
            await self._connection.execute(sql.SCHEDULE_REPLAYS, *zip(*scheduled, strict=True))


def _includes_jobs(query: ListDeadLetters) -> bool:
    """Tell that a job which was replayed has not failed any more."""
    return query.state is not LetterState.REPLAYED


def _task_types(topic: str | None) -> list[str] | None:
    if topic is None:
        return None
    return [task.task_type for task in TASKS.values() if task.topic == topic]
