"""Loads OpenTelemetry's instrumentation of libraries."""

from typing import Literal, TypeAlias

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

Library: TypeAlias = Literal["fastapi", "asyncpg", "redis", "httpx", "sqlalchemy"]


def get_instrumentor(library: Library) -> BaseInstrumentor:
    """Import late, because each instrumentor imports its library."""
    match library:
        case "fastapi":
            from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

            return FastAPIInstrumentor()
        case "asyncpg":
            from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor

            return AsyncPGInstrumentor()
        case "redis":
            from opentelemetry.instrumentation.redis import RedisInstrumentor

            return RedisInstrumentor()
        case "httpx":
            from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

            return HTTPXClientInstrumentor()
        case "sqlalchemy":
            from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

            return SQLAlchemyInstrumentor()
