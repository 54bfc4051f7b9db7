"""A bounded asyncpg pool: acquiring has a timeout, is measured, and raises translated errors."""

import asyncio
from contextlib import suppress
from time import perf_counter

import asyncpg
from asyncpg.pool import Pool

from msaas.postgres.connection import RawConnection
from msaas.postgres.errors import DRIVER_ERRORS, TARGET, PoolExhausted, translate_connect_error
from msaas.postgres.postgres_config import PostgresConfig
from msaas.telemetry import Metrics


class BoundedPool:
    def __init__(self, postgres_config: PostgresConfig, metrics: Metrics) -> None:
        self._postgres_config = postgres_config
        self._pool: Pool | None = None
        self._checked_out = 0
        self._in_use = metrics.gauge("db_pool_in_use", "Connections taken from the pool.")
        self._wait_seconds = metrics.histogram("db_pool_wait_seconds", "Waiting for a connection.")

    async def open(self) -> None:
        self._pool = await asyncpg.create_pool(
            self._postgres_config.server_dsn,
            min_size=0,
            max_size=self._postgres_config.max_size,
            reset=_skip_reset,
            **self._postgres_config.connect_options,
        )

    async def close(self, grace: float) -> None:
        if self._pool is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._pool.close()  # closes the rest when cancelled

    async def acquire(self) -> RawConnection:
        started = perf_counter()
        try:
            raw = await self._acquire()
        finally:
            self._wait_seconds.observe(perf_counter() - started)
        self._checked_out += 1
        self._in_use.inc()
        return raw

    async def release(self, raw: RawConnection) -> None:
        self._checked_out -= 1
        self._in_use.dec()
        await self._open_pool.release(raw)

    async def _acquire(self) -> RawConnection:
        try:
            async with asyncio.timeout(self._postgres_config.acquire_timeout):
                return await self._open_pool.acquire()
        except DRIVER_ERRORS as error:
            if (
                isinstance(error, TimeoutError)
                and self._checked_out >= self._postgres_config.max_size
            ):
                raise PoolExhausted(target=TARGET, retry_after=1) from error
            typed = translate_connect_error(error)
            if typed is None:
                raise
            raise typed from error

    @property
    def _open_pool(self) -> Pool:
        if self._pool is None:
            raise RuntimeError("the database is not open")
        return self._pool


async def _skip_reset(_connection: object) -> None:
    """Database has already cleaned the connection before it releases it."""
