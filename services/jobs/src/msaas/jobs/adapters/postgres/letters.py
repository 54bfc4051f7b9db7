"""Dead letters in the record: kept once, replayed one command at a time, listed with one face."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

from msaas.contracts import TASKS, LetterClass, LetterState, ListDeadLetters
from msaas.jobs.adapters.postgres import letters_sql as sql
from msaas.jobs.adapters.postgres.letter_rows import (
    entry_columns,
    face,
    face_of_job,
    face_of_message,
    read_job,
    read_message,
    topic_of,
)
from msaas.jobs.application.letters_ports import DeadEntry, Desk, Resolved, Row, Waits
from msaas.jobs.domain.letters import REPLAYS_A_MINUTE, Letter
from msaas.kernel import new_id
from msaas.postgres import Connection, Database

PATIENCE: Final = 2.0
"""Seconds to wait for another process's replay, which holds no row that anybody else needs."""


class PostgresLetters:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(
        self, entries: Sequence[DeadEntry], waits: Waits
    ) -> Sequence[tuple[str, LetterClass]]:
        expired = {entry.id for entry in entries if entry.has_expired}
        async with self._database.transaction() as connection:
            rows = await connection.fetch(sql.KEEP, *entry_columns(entries))
            wanted = [
                (new_id(), row["id"], row["topic"], None, wait)
                for row in rows
                if (
                    wait := waits(
                        LetterClass(row["class"]),
                        row["replay_count"],
                        has_expired=row["id"] in expired,
                    )
                )
                is not None
            ]
            if wanted:
                await connection.execute(sql.WANT, *zip(*wanted, strict=True))
        return [(row["topic"], LetterClass(row["class"])) for row in rows]

    @asynccontextmanager
    async def replaying(self) -> AsyncGenerator["ReplayTransaction"]:
        async with self._database.transaction(lock_timeout=PATIENCE) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", sql.LOCK)
            yield ReplayTransaction(connection)

    async def withdraw(self, replay_id: UUID, letters: Sequence[UUID]) -> None:
        async with self._database.connection() as connection:
            await connection.execute(sql.WITHDRAW, replay_id, letters)

    async def resolve(self, letters: Sequence[UUID], reason: str, by: UUID) -> Resolved:
        async with self._database.transaction() as connection:
            messages = await connection.fetch(sql.RESOLVE_MESSAGES, letters, reason, by)
            jobs = await connection.fetch(sql.RESOLVE_JOBS, letters, reason, by)
            await connection.execute(sql.FORGET_WANTED, letters)
            known = await connection.fetch(sql.FIND_KNOWN, letters)
        changed = [(row["topic"], row["class"]) for row in messages]
        changed += [(topic_of(row["task_type"]), str(LetterClass.JOB)) for row in jobs]
        return Resolved(frozenset(row["id"] for row in known), changed)

    async def list_due(self, paused: Sequence[str]) -> Sequence[UUID]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.LIST_DUE, paused, REPLAYS_A_MINUTE)
        return [row["letter_id"] for row in rows]

    async def list_letters(self, wanted: ListDeadLetters) -> Sequence[Row]:
        """Read a page of each kind, so that each has an index to go by, and merge them."""
        found: list[Row] = []
        place = (wanted.before_at, wanted.before_id, wanted.limit)
        async with self._database.connection() as connection:
            if wanted.letter_class is not LetterClass.JOB:
                chosen = (wanted.state, wanted.letter_class, wanted.topic)
                rows = await connection.fetch(sql.LIST_MESSAGES, *chosen, *place)
                found += [face(row) for row in rows]
            if wanted.letter_class in {None, LetterClass.JOB} and _may_be_jobs(wanted):
                rows = await connection.fetch(
                    sql.LIST_JOBS, wanted.state, _task_types(wanted.topic), *place
                )
                found += [face(row) for row in rows]
        found.sort(key=lambda row: (row["died_at"], row["id"]), reverse=True)
        return found[: wanted.limit]

    async def find_letter(self, letter_id: UUID) -> Row | None:
        async with self._database.connection() as connection:
            if row := await connection.fetchrow(sql.SHOW_MESSAGE, letter_id):
                return face_of_message(row)
            row = await connection.fetchrow(sql.SHOW_JOB, letter_id)
        return face_of_job(row) if row else None

    async def count_open(self) -> Mapping[tuple[str, str], int]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(sql.COUNT_OPEN)
        return {(row["topic"], row["class"]): row["letters"] for row in rows}


class ReplayTransaction:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, replay_id: UUID, letters: Sequence[UUID]) -> Desk:
        fetch = self._connection.fetch
        done: int = await self._connection.fetchval(sql.COUNT_LAST_MINUTE)
        again = await fetch(sql.FIND_AGAIN, replay_id, letters)
        messages = [read_message(row) for row in await fetch(sql.LOCK_MESSAGES, letters)]
        jobs = [read_job(row) for row in await fetch(sql.FIND_JOBS, letters)]
        return Desk(
            room=REPLAYS_A_MINUTE - done,
            letters={one.id: one for one in (*messages, *jobs)},
            again=frozenset(row["letter_id"] for row in again),
        )

    async def store(
        self,
        replay_id: UUID,
        asked_by: UUID | None,
        *,
        replayed: Sequence[Letter],
        waiting: Sequence[Letter],
        refused: Sequence[UUID],
    ) -> None:
        over = [*(one.id for one in replayed), *refused]
        rows = await self._connection.fetch(sql.FORGET_WANTED, over) if over else []
        askers = {row["letter_id"]: row["asked_by"] for row in rows}
        if replayed:
            done = [
                (new_id(), one.id, one.topic, asked_by or askers.get(one.id)) for one in replayed
            ]
            columns = zip(*done, strict=True)
            await self._connection.execute(sql.NOTE_REPLAYS, *columns, replay_id)
            await self._connection.execute(sql.MARK_REPLAYED, [one.id for one in replayed])
        if waiting:
            wanted = [(new_id(), one.id, one.topic, asked_by, timedelta(0)) for one in waiting]
            await self._connection.execute(sql.WANT, *zip(*wanted, strict=True))


def _may_be_jobs(wanted: ListDeadLetters) -> bool:
    """Tell that a job which was replayed has not failed any more."""
    return wanted.state is not LetterState.REPLAYED


def _task_types(topic: str | None) -> list[str] | None:
    if topic is None:
        return None
    return [task.task_type for task in TASKS.values() if task.topic == topic]
