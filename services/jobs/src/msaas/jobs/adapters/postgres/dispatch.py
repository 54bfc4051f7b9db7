"""The record as dispatch needs it: a fair pick in one transaction, and where the envelopes lie."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import orjson
from asyncpg import Record

from msaas.contracts import TASKS, Plan, Source
from msaas.jobs.adapters.postgres import dispatch_sql as sql
from msaas.jobs.application.ports import Dispatch, Tick
from msaas.jobs.domain.fairness import Turn, Waiting, find_rooms, find_turns
from msaas.kernel import RetryPolicy
from msaas.postgres import Connection, Contended, Database, DatabaseUnavailable

NOBODY: Final = UUID(int=0)
LOCK: Final = 0x6D73_6A6F_6273_6470
"""One tick at a time for all processes; the number is this service's own."""

RECORDING: Final = RetryPolicy(base=0.05, cap=0.5, attempts=8, budget=5.0)
MOST_PICKED: Final = 200
MOST_USERS: Final = 200
NOTICEABLE: Final = timedelta(seconds=1)
"""From when on a wait is explained."""

TOPIC_OF: Final = {task.task_type: task.topic for task in TASKS.values()}


class PostgresDispatch:
    """`window` bounds the envelopes of a topic that wait for a worker, `most_users` one tick."""

    def __init__(self, database: Database, *, window: int, most_users: int = MOST_USERS) -> None:
        self._database = database
        self._window = window
        self._most_users = most_users
        self._after = NOBODY
        self._full: set[UUID] = set()

    async def pick(self) -> Tick:
        """Pick among the next users; they take turns, so that none is always behind the last."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                return Tick(is_busy=True)
            users = await connection.fetch(sql.WAITING_USERS, self._after, self._most_users)
            rows, is_short = await self._pick(connection, users) if users else ([], False)
        are_more = len(users) == self._most_users
        self._after = users[-1]["user_id"] if are_more else NOBODY
        has_more = are_more or len(rows) == MOST_PICKED
        picked = [_read(row) for row in rows]
        return Tick(picked=picked, has_more=has_more, leaves_waiting=is_short)

    async def _pick(
        self, connection: Connection, users: Sequence[Record]
    ) -> tuple[list[Record], bool]:
        """Return the picks, and whether somebody may have been left for want of a slot or room."""
        slots = await connection.fetch(sql.SLOTS)
        held = {row["user_id"]: row["held"] for row in slots if row["user_id"]}
        unread = {row["task_type"]: row["unread"] for row in slots if row["task_type"]}
        rooms = find_rooms(TOPIC_OF, unread, self._window)
        paused = {row["task_type"] for row in await connection.fetch(sql.PAUSED)}
        kinds = [
            (kind, topic, rooms[topic])
            for kind, topic in TOPIC_OF.items()
            if rooms[topic] > 0 and kind not in paused
        ]
        able = [_waiting(user) for user in users if _may_run(user)]
        turns = find_turns(able, held)
        full = {user.user_id for user in able} - {turn.user_id for turn in turns}
        if not (kinds and turns):
            self._remember(users, full)
            return [], True
        rows = await connection.fetch(
            sql.PICK,
            *zip(*kinds, strict=True),
            *zip(*(self._columns(turn) for turn in turns), strict=True),
            MOST_PICKED,
            NOTICEABLE,
        )
        taken = Counter(row["user_id"] for row in rows)
        full |= {turn.user_id for turn in turns if taken[turn.user_id] >= turn.free}
        self._remember(users, full)
        return rows, bool(full) or len(rows) >= min(rooms.values())

    def _columns(self, turn: Turn) -> tuple[object, ...]:
        was_full = turn.user_id in self._full
        return turn.user_id, turn.plan, turn.held, turn.free, turn.weight, was_full

    def _remember(self, users: Sequence[Record], full: Collection[UUID]) -> None:
        """Know at the next tick who had no slot to spare; whoever is not on the page is kept."""
        starts_over = self._after == NOBODY and len(users) < self._most_users
        others = set[UUID]() if starts_over else self._full - {one["user_id"] for one in users}
        self._full = others | set(full)

    async def record_entries(self, entries: Sequence[tuple[UUID, UUID, str]]) -> frozenset[UUID]:
        """Try hard: an entry that nobody knows of would be taken for lost, and run twice."""

        async def record() -> frozenset[UUID]:
            async with self._database.transaction() as connection:
                columns = zip(*entries, strict=True)
                rows = await connection.fetch(sql.RECORD_ENTRIES, *columns)
            return frozenset(row["id"] for row in rows)

        return await RECORDING.run(record, on=(Contended, DatabaseUnavailable))


def _may_run(user: Record) -> bool:
    return user["plan"] is not None and not user["erasing"]


def _waiting(user: Record) -> Waiting:
    return Waiting(user_id=user["user_id"], plan=Plan(user["plan"]), slots=user["slots"])


def _read(row: Record) -> Dispatch:
    return Dispatch(
        job_id=row["id"],
        user_id=row["user_id"],
        task_type=row["task_type"],
        attempts=row["attempts"],
        max_attempts=row["max_attempts"],
        fence=row["fence"],
        payload=orjson.loads(row["payload"]),
        correlation_id=row["correlation_id"],
        traceparent=row["traceparent"],
        source=Source(row["source"]),
        plan=Plan(row["plan"]),
        created_at=row["created_at"],
        run_at=row["run_at"],
        dispatched_at=row["dispatched_at"],
        deadline_at=row["deadline_at"],
        parent_job_id=row["parent_job_id"],
    )
