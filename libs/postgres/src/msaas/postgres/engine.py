"""SQLAlchemy's async engine on the same setting, for the cold paths and for migrations."""

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
    translate,
    translate_opening,
)
from msaas.postgres.setting import PostgresSetting
from msaas.postgres.slow_queries import SlowQueries
from msaas.telemetry import Metrics

_STARTED: Final = "msaas_statement_started"


def create_engine(
    setting: PostgresSetting, *, size: int = 2, metrics: Metrics | None = None
) -> AsyncEngine:
    """Make an engine of `size` connections, or one a use behind a pooler."""
    arguments: dict[str, Any] = {"async_creator_fn": partial(connect, setting)}
    bounds: dict[str, Any] = {"poolclass": NullPool}
    if setting.behind_pooler:
        # Unnamed statements: a name could already live on the server connection we are handed.
        arguments |= {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
    else:
        bounds = {
            "poolclass": _TypedPool,
            "pool_size": size,
            "max_overflow": 0,
            "pool_timeout": setting.acquire_timeout,
        }
    engine = create_async_engine("postgresql+asyncpg://", connect_args=arguments, **bounds)
    event.listen(engine.sync_engine, "handle_error", _raise_typed)
    if metrics is not None:
        _watch_slow(engine, SlowQueries(setting.slow_after, metrics))
    return engine


async def connect(setting: PostgresSetting, **_: object) -> asyncpg.Connection:
    """Open a connection of the driver's own, for which the caller is answerable."""
    try:
        return await asyncpg.connect(setting.server_dsn, **setting.connect_options)
    except DRIVER_ERRORS as error:
        typed = translate_opening(error)
        if typed is None:
            raise
        raise typed from error


class _TypedPool(AsyncAdaptedQueuePool):
    """Gives our error for waiting in vain, which `handle_error` does not see."""

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            return super()._do_get()
        except NoConnectionLeft as error:
            raise PoolExhausted(target=TARGET, retry_after=1) from error


def _raise_typed(context: ExceptionContext) -> None:
    error = context.original_exception
    typed = translate(getattr(error, "driver_exception", error))
    if typed is not None:
        raise typed from error


def _watch_slow(engine: AsyncEngine, slow: SlowQueries) -> None:
    def before(connection: Connection, *_: object) -> None:
        connection.info[_STARTED] = perf_counter()

    def after(connection: Connection, _cursor: object, sql: str, *_: object) -> None:
        slow.observe(sql, perf_counter() - connection.info[_STARTED])

    event.listen(engine.sync_engine, "before_cursor_execute", before)
    event.listen(engine.sync_engine, "after_cursor_execute", after)
