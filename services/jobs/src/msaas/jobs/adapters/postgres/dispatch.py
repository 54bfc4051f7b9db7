"""The record as dispatch needs it: a fair pick in one transaction, and where the envelopes lie."""

from collections import Counter
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import orjson
from asyncpg import Record

from msaas.contracts import TASKS, Plan, Source
from msaas.jobs.adapters.postgres import dispatch_sql as sql
from msaas.jobs.application.ports import Dispatch, Tick
from msaas.jobs.domain.fairness import Waiting, find_rooms, find_turns
from msaas.kernel import RetryPolicy
from msaas.postgres import Connection, Contended, Database, DatabaseUnavailable

NOBODY: Final = UUID(int=0)
LOCK: Final = 0x6D73_6A6F_6273_6470
"""One tick at a time for all processes; the number is this service's own."""

RECORDING: Final = RetryPolicy(base=0.05, cap=0.5, attempts=8, budget=5.0)
MOST_PICKED: Final = 200
MOST_USERS: Final = 200
LOOK_PAST: Final = 50
"""How many jobs of a user are looked through for one whose topic has room, where some have none."""

TOPIC_OF: Final = {task.task_type: task.topic for task in TASKS.values()}


class PostgresDispatch:
    """`window` bounds the envelopes of a topic that wait for a worker, `most_users` one tick."""

    def __init__(self, database: Database, *, window: int, most_users: int = MOST_USERS) -> None:
        self._database = database
        self._window = window
        self._most_users = most_users
        self._after = NOBODY

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
        kinds = [
            (kind, topic, rooms[topic]) for kind, topic in TOPIC_OF.items() if rooms[topic] > 0
        ]
        able = [_waiting(user) for user in users if _may_run(user)]
        turns = find_turns(able, held)
        if not (kinds and turns):
            return [], True
        rows = await connection.fetch(
            sql.PICK,
            *zip(*kinds, strict=True),
            *zip(*((t.user_id, t.plan, t.held, t.free, t.weight) for t in turns), strict=True),
            MOST_PICKED,
            0 if len(kinds) == len(TOPIC_OF) else LOOK_PAST,
        )
        taken = Counter(row["user_id"] for row in rows)
        are_full = any(taken[turn.user_id] >= turn.free for turn in turns)
        return rows, are_full or len(turns) < len(able) or len(rows) >= min(rooms.values())

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
