"""The store of dispatch: a fair pick in one transaction, and the entry ids of the envelopes."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import orjson
from asyncpg import Record

from msaas.contracts import JobEnvelope, JobMeta, Plan, Source, get_task
from msaas.jobs.adapters.postgres import dispatch_sql as sql
from msaas.jobs.adapters.postgres.rows import ACTIVE_PAUSES, TOPIC_OF
from msaas.jobs.application.entry_ids import choose_first_number
from msaas.jobs.application.ports import DispatchedJob, TickResult
from msaas.jobs.domain.fairness import SlotShare, WaitingUser, find_slot_shares, find_topic_capacity
from msaas.kernel import RetryPolicy
from msaas.postgres import Database, DatabaseConnection, DatabaseUnavailable, TransactionConflict

NIL_USER: Final = UUID(int=0)
ADVISORY_LOCK: Final = 0x6D73_6A6F_6273_6470
"""One tick at a time for all processes; the number is this service's own."""

PICK_TIME_LIMIT: Final = 5.0
"""A dispatcher that is frozen in its pick holds the lock of all no longer than this."""

RECORD_RETRY: Final = RetryPolicy(base=0.05, cap=0.5, attempts=8, budget=5.0)
MAX_PICKED: Final = 200
MAX_USERS: Final = 200
EXPLAINED_WAIT: Final = timedelta(seconds=1)
"""A wait that is at least this long is explained in its attempt."""


class PostgresDispatch:
    """`window` limits the unread envelopes of a topic, `max_users` the users of one tick."""

    def __init__(self, database: Database, *, window: int, max_users: int = MAX_USERS) -> None:
        self._database = database
        self._window = window
        self._max_users = max_users
        self._cursor = NIL_USER
        self._at_limit: set[UUID] = set()

    async def pick(self, now_ms: int) -> TickResult:
        """Pick for the next page of users; pages take turns, so that no user is always last."""
        async with self._database.transaction(time_limit=PICK_TIME_LIMIT) as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", ADVISORY_LOCK):
                return TickResult(is_busy=True)
            users = await connection.fetch(sql.WAITING_USERS, self._cursor, self._max_users)
            rows, is_short = await self._pick(connection, users, now_ms) if users else ([], False)
        are_more = len(users) == self._max_users
        self._cursor = users[-1]["user_id"] if are_more else NIL_USER
        has_more = are_more or len(rows) == MAX_PICKED
        picked = [_read(row) for row in sorted(rows, key=lambda row: row["turn"])]
        return TickResult(picked=picked, has_more=has_more, leaves_waiting=is_short)

    async def _pick(
        self, connection: DatabaseConnection, users: Sequence[Record], now_ms: int
    ) -> tuple[list[Record], bool]:
        """Return the picked rows, and whether a job may have been left for lack of a slot."""
        slots = await connection.fetch(sql.USED_SLOTS)
        used_slots = {row["user_id"]: row["used"] for row in slots if row["user_id"]}
        unread = {row["task_type"]: row["unread"] for row in slots if row["task_type"]}
        capacity = find_topic_capacity(TOPIC_OF, unread, self._window)
        paused = {row["task_type"] for row in await connection.fetch(ACTIVE_PAUSES)}
        kinds = [
            (kind, topic, capacity[topic])
            for kind, topic in TOPIC_OF.items()
            if capacity[topic] > 0 and kind not in paused
        ]
        eligible = [_read_waiting_user(user) for user in users if _may_run(user)]
        shares = find_slot_shares(eligible, used_slots)
        at_limit = {user.user_id for user in eligible} - {share.user_id for share in shares}
        if not (kinds and shares):
            self._remember_at_limit(users, at_limit)
            return [], True
        rows = await connection.fetch(
            sql.PICK,
            *zip(*kinds, strict=True),
            *zip(*(self._columns(share) for share in shares), strict=True),
            MAX_PICKED,
            EXPLAINED_WAIT,
            f"{now_ms}-",
            choose_first_number(),
        )
        taken = Counter(row["user_id"] for row in rows)
        at_limit |= {share.user_id for share in shares if taken[share.user_id] >= share.free_slots}
        self._remember_at_limit(users, at_limit)
        return rows, bool(at_limit) or len(rows) >= min(capacity.values())

    def _columns(self, share: SlotShare) -> tuple[object, ...]:
        was_full = share.user_id in self._at_limit
        return share.user_id, share.plan, share.used_slots, share.free_slots, share.weight, was_full

    def _remember_at_limit(self, users: Sequence[Record], at_limit: Collection[UUID]) -> None:
        """Keep for the next tick which users had no free slot; other pages are kept too."""
        starts_over = self._cursor == NIL_USER and len(users) < self._max_users
        others = (
            set[UUID]() if starts_over else self._at_limit - {user["user_id"] for user in users}
        )
        self._at_limit = others | set(at_limit)

    async def record_entries(self, entries: Sequence[tuple[UUID, UUID, str]]) -> frozenset[UUID]:
        """Retry: a job whose entry is not recorded waits for the sweeper."""

        async def record() -> frozenset[UUID]:
            async with self._database.transaction() as connection:
                columns = zip(*entries, strict=True)
                rows = await connection.fetch(sql.RECORD_ENTRIES, *columns)
            return frozenset(row["id"] for row in rows)

        return await RECORD_RETRY.run(record, retry_on=(TransactionConflict, DatabaseUnavailable))


def _may_run(user: Record) -> bool:
    return user["plan"] is not None and not user["erasing"]


def _read_waiting_user(user: Record) -> WaitingUser:
    return WaitingUser(user_id=user["user_id"], plan=Plan(user["plan"]), slots=user["slots"])


def _find_claim(row: Record) -> str | None:
    """Name what the runs of a `once` task share of which one may act.

    An explicit retry may act again, and so may the run that goes on after a wait.
    """
    if not get_task(row["task_type"]).once:
        return None
    return f"{row['last_retry_id'] or row['id']}.{row['waits']}"


def _read(row: Record) -> DispatchedJob:
    """Build the envelope from the row; its times have other names in the message."""
    envelope = JobEnvelope(
        job_id=row["id"],
        task_type=row["task_type"],
        attempts=row["attempts"],
        max_attempts=row["max_attempts"],
        fence=row["fence"],
        payload=orjson.loads(row["payload"]),
        meta=JobMeta(
            correlation_id=row["correlation_id"],
            user_id=row["user_id"],
            enqueue_ts=row["created_at"],
            source=Source(row["source"]),
            plan=Plan(row["plan"]),
            deadline_ts=row["deadline_at"],
            valid_until=row["dispatched_at"] + get_task(row["task_type"]).valid_for,
            parent_job_id=row["parent_job_id"],
            claim=_find_claim(row),
        ),
    )
    return DispatchedJob(
        envelope=envelope,
        traceparent=row["traceparent"],
        run_at=row["run_at"],
        dispatched_at=row["dispatched_at"],
        entry_id=row["entry_id"],
    )
