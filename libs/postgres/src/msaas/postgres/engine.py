"""SQLAlchemy's async engine on the same configuration, for rare queries and migrations."""

from functools import partial
from time import perf_counter
from typing import Any, Final

import asyncpg
from sqlalchemy import Connection, ExceptionContext, event
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, NullPool

from msaas.postgres.errors import (
    DRIVER_ERRORS,
    TARGET,
    PoolExhausted,
    translate_connect_error,
    translate_error,
)
from msaas.postgres.postgres_config import PostgresConfig
from msaas.postgres.slow_queries import SlowQueryMonitor
from msaas.telemetry import Metrics

_STARTED_KEY: Final = "msaas_statement_started"


def create_engine(
    postgres_config: PostgresConfig, *, size: int = 2, metrics: Metrics | None = None
) -> AsyncEngine:
    """Create an engine of `size` connections; behind a pooler it keeps none."""
    arguments: dict[str, Any] = {"async_creator_fn": partial(connect, postgres_config)}
    pool_options: dict[str, Any] = {"poolclass": NullPool}
    if postgres_config.behind_pooler:
        # Unnamed statements: the server connection may already have a statement of that name.
        arguments |= {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
    else:
        pool_options = {
            "poolclass": _TranslatingPool,
            "pool_size": size,
            "max_overflow": 0,
            "pool_timeout": postgres_config.acquire_timeout,
        }
    engine = create_async_engine("postgresql+asyncpg://", connect_args=arguments, **pool_options)
    event.listen(engine.sync_engine, "handle_error", _translate_engine_error)
    if metrics is not None:
        _monitor_slow_queries(
            engine, SlowQueryMonitor(postgres_config.slow_query_threshold, metrics)
        )
    return engine


async def connect(postgres_config: PostgresConfig, **_: object) -> asyncpg.Connection:
    """Open an asyncpg connection that the caller has to close."""
    try:
        return await asyncpg.connect(postgres_config.server_dsn, **postgres_config.connect_options)
    except DRIVER_ERRORS as error:
        typed = translate_connect_error(error)
        if typed is None:
            raise
        raise typed from error


class _TranslatingPool(AsyncAdaptedQueuePool):
    """Translates the pool's timeout, which `handle_error` does not see."""

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            return super()._do_get()
        except NoConnectionLeft as error:
            raise PoolExhausted(target=TARGET, retry_after=1) from error


def _translate_engine_error(context: ExceptionContext) -> None:
    error = context.original_exception
    typed = translate_error(getattr(error, "driver_exception", error))
    if typed is not None:
        raise typed from error


def _monitor_slow_queries(engine: AsyncEngine, monitor: SlowQueryMonitor) -> None:
    def before(connection: Connection, *_: object) -> None:
        connection.info[_STARTED_KEY] = perf_counter()

    def after(connection: Connection, _cursor: object, sql: str, *_: object) -> None:
        monitor.observe(sql, perf_counter() - connection.info[_STARTED_KEY])

    event.listen(engine.sync_engine, "before_cursor_execute", before)
    event.listen(engine.sync_engine, "after_cursor_execute", after)
