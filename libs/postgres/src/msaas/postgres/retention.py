"""Enforces retention: rows whose time is over are removed in batches, in short transactions."""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import ClassVar, Final

import asyncpg

from msaas.kernel import CommandTimeout, ErrorKind, MsaasError, RetryPolicy, Wait
from msaas.postgres.connection import DatabaseConnection
from msaas.postgres.database import HOT_ROW_LOCK_TIMEOUT, Database
from msaas.postgres.errors import TransactionConflict
from msaas.postgres.retention_rules import Key, Removal, RetentionRule
from msaas.telemetry import Metrics, get_logger

PERIOD: Final = 3600.0
STATEMENT_LIMIT_MS: Final = 120
"""The server ends a statement that holds its locks for longer; the batch is then halved."""

_TARGET_SECONDS: Final = 0.05
_FIRST_BATCH, _LARGEST_BATCH, _PLAN_PAGE = 50, 1_000, 2_000
_MAX_FAILURES: Final = 20
_BACKOFF: Final = RetryPolicy(base=0.05, cap=3.0, attempts=None)
_TURNS: Final = RetryPolicy(base=0.05, cap=1.0, attempts=None, budget=60.0)
_LONGEST_REST: Final = 2.0
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0)
_LIMIT_STATEMENT: Final = f"SET LOCAL statement_timeout = {STATEMENT_LIMIT_MS}"
_TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))"


class RetentionInProgress(MsaasError):
    code: ClassVar[str] = "conflict"
    kind: ClassVar[ErrorKind] = ErrorKind.CONFLICT
    retryable: ClassVar[bool] = True
    default_message = "Another process is removing old data of this owner."


@dataclass(frozen=True, slots=True)
class RetentionCount:
    """How many rows of a class are due, or were removed."""

    data_class: str
    kept: str
    rows: int
    has_failed: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """`seconds` is from the first lock to the end of the commit, at most."""

    data_class: str
    removed: int
    seconds: float
    rest: float


@dataclass
class _BatchSize:
    """Grows while batches are fast, and is halved by a batch that is slow or refused."""

    rows: int = _FIRST_BATCH
    failures: int = 0

    def succeed(self, seconds: float, rows: int) -> None:
        self.failures = 0
        if seconds > _TARGET_SECONDS:
            self.rows = max(1, self.rows // 2)
        elif seconds < _TARGET_SECONDS / 2 and rows * 2 > self.rows:
            self.rows = min(_LARGEST_BATCH, self.rows * 2)

    def fail(self) -> float:
        """Return how long to wait before the next attempt."""
        self.failures += 1
        self.rows = max(1, self.rows // 2)
        return _BACKOFF.delay(self.failures)


class Retention:
    """The rules of one owner, enforced on its own tables with its own login."""

    def __init__(
        self, owner: str, database: Database, rules: Sequence[RetentionRule], metrics: Metrics
    ) -> None:
        self.owner: Final = owner
        self.rules: Final = rules
        self.database: Final = database
        self.removed: Final = metrics.counter(
            "msaas_retention_removed_total", "Rows removed by retention.", ("data_class",)
        )
        self.failed: Final = metrics.counter(
            "msaas_retention_failures_total", "Passes that left a class early.", ("data_class",)
        )
        self.last_success: Final = metrics.gauge(
            "msaas_retention_last_success_timestamp_seconds",
            "When all rows of a class that were due had been removed.",
            ("data_class",),
        )
        self.seconds: Final = metrics.histogram(
            "msaas_retention_batch_seconds", "How long a batch held its locks.", buckets=_BUCKETS
        )

    async def plan(self) -> Sequence[RetentionCount]:
        """Count what is due, page by page; nothing is removed or locked."""
        return [
            RetentionCount(rule.name, rule.kept, await self._count_due(rule)) for rule in self.rules
        ]

    async def run(self, observe: Callable[[Batch], None] | None = None) -> list[RetentionCount]:
        """Remove everything that is due now, without rests between the batches."""
        one_pass = RetentionPass(self)
        while batch := await self._run_next(one_pass):
            if observe:
                observe(batch)
            if batch.removed == 0:
                await asyncio.sleep(batch.rest)
        return one_pass.summarize()

    async def _run_next(self, one_pass: "RetentionPass") -> Batch | None:
        """Take turns with the service's own task."""
        return await _TURNS.run(one_pass.run_batch, retry_on=(RetentionInProgress,))

    async def report(self, write: Callable[[str], object], *, is_dry_run: bool) -> bool:
        """Plan or run, and write a line of JSON for each class; return whether none has failed."""
        counts = await self.plan() if is_dry_run else await self.run()
        for count in counts:
            write(f"{json.dumps({'owner': self.owner, **asdict(count)})}\n")
        return not any(count.has_failed for count in counts)

    @asynccontextmanager
    async def begin(self, on_end: Callable[[float], None]) -> AsyncGenerator[DatabaseConnection]:
        """Begin a transaction that holds its locks for a limited time; one process at a time."""
        async with self.database.transaction(lock_timeout=HOT_ROW_LOCK_TIMEOUT) as connection:
            await connection.execute(_LIMIT_STATEMENT)
            if not await connection.fetchval(_TRY_LOCK, f"msaas.retention.{self.owner}"):
                raise RetentionInProgress
            started = time.perf_counter()
            yield connection
        on_end(time.perf_counter() - started)

    async def _count_due(self, rule: RetentionRule) -> int:
        total, after = 0, None
        while True:
            async with self.database.connection() as connection:
                page = await rule.find(connection, after, _PLAN_PAGE)
            total += page.count
            after = page.next_after
            if after is None:
                return total


@dataclass
class RetentionPass:
    """One walk through all rules, batch by batch; a class that fails does not stop the others."""

    retention: Retention
    _pending: deque[RetentionRule] = field(init=False)
    _after: Key | None = None
    _size: _BatchSize = field(default_factory=_BatchSize)
    _removed: Counter[str] = field(default_factory=Counter[str])
    _failed: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self._pending = deque(self.retention.rules)

    def summarize(self) -> list[RetentionCount]:
        return [self._summarize(rule) for rule in self.retention.rules]

    def _summarize(self, rule: RetentionRule) -> RetentionCount:
        name = rule.name
        return RetentionCount(name, rule.kept, self._removed[name], name in self._failed)

    async def run_batch(self) -> Batch | None:
        """Return None when the pass is over; raise RetentionInProgress if it is another's turn."""
        if not self._pending:
            return None
        rule = self._pending[0]
        try:
            return await self._run_batch(rule)
        except RetentionInProgress:
            raise
        except (CommandTimeout, TransactionConflict) as error:
            wait = self._size.fail()
            if self._size.failures > _MAX_FAILURES:
                self._leave(rule, error)
            return Batch(rule.name, 0, 0.0, wait)
        except (MsaasError, asyncpg.PostgresError) as error:
            self._leave(rule, error)
            return Batch(rule.name, 0, 0.0, _BACKOFF.delay(1))

    async def _run_batch(self, rule: RetentionRule) -> Batch:
        held: list[float] = []
        limit = self._size.rows
        async with self.retention.database.connection() as connection:
            page = await rule.find(connection, self._after, limit)
        removal = Removal(0)
        if page.due:
            begin = partial(self.retention.begin, held.append)
            removal = await rule.remove(begin, page.due, limit)
        longest = max(held, default=0.0)
        self._size.succeed(longest, max(removal.rows, len(page.due)))
        self._count(rule, removal.rows, held)
        if removal.is_complete:
            self._advance(rule, page.next_after)
        return Batch(rule.name, removal.rows, longest, min(sum(held), _LONGEST_REST))

    def _count(self, rule: RetentionRule, removed: int, held: Sequence[float]) -> None:
        self._removed[rule.name] += removed
        self.retention.removed.labels(rule.name).inc(removed)
        for seconds in held:
            self.retention.seconds.observe(seconds)

    def _advance(self, rule: RetentionRule, next_after: Key | None) -> None:
        self._after = next_after
        if next_after is None:
            self.retention.last_success.labels(rule.name).set_to_current_time()
            self._next_rule()

    def _leave(self, rule: RetentionRule, error: Exception) -> None:
        self.retention.failed.labels(rule.name).inc()
        self._failed.add(rule.name)
        get_logger().error("retention_failed", data_class=rule.name, error=type(error).__name__)
        self._next_rule()

    def _next_rule(self) -> None:
        self._pending.popleft()
        self._after, self._size = None, _BatchSize()


class RetentionTask:
    """The step of a periodic task: one batch, then a rest as long as the batch.

    The first pass begins after a random part of `period`; after a pass the task waits for about a
    `period`, so that the replicas of a service do not begin together.
    """

    def __init__(
        self, retention: Retention, *, jitter: Callable[[], float], period: float = PERIOD
    ) -> None:
        self._retention = retention
        self._jitter = jitter
        self._period = period
        self._pass: RetentionPass | None = None
        self._is_first = True

    async def __call__(self) -> Wait:
        if self._is_first:
            self._is_first = False
            return Wait(self._period * self._jitter())
        self._pass = self._pass or RetentionPass(self._retention)
        try:
            batch = await self._pass.run_batch()
        except RetentionInProgress:
            batch = None
        if batch:
            return Wait(batch.rest)
        self._log_pass(self._pass)
        self._pass = None
        return Wait(self._period * (0.75 + self._jitter() / 2))

    def _log_pass(self, finished: RetentionPass) -> None:
        removed: Mapping[str, int] = {c.data_class: c.rows for c in finished.summarize() if c.rows}
        if removed:
            get_logger().info("retention_pass_finished", owner=self._retention.owner, **removed)
