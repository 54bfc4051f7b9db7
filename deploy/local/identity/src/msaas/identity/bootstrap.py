"""The composition root: connects the use cases with their adapters."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from msaas.contracts import Plan
from msaas.identity.adapters.argon2_passwords import Argon2Passwords
from msaas.identity.adapters.es256_tokens import Es256Tokens, new_signing_key
from msaas.identity.adapters.oauth import build_discovery, verifier_matches
from msaas.identity.adapters.one_time_postgres import PostgresOneTimeTokens
from msaas.identity.adapters.postgres import (
    PostgresAccounts,
    PostgresSessions,
    PostgresSigningKeys,
    ensure_schema,
)
from msaas.identity.application.one_time_sign_in import OneTimeSignIn
from msaas.identity.application.ports import Passwords
from msaas.identity.application.use_cases import AuthUseCases, RotateKeys
from msaas.identity.domain.signing_keys import SigningKey
from msaas.identity.domain.users import User
from msaas.identity.entrypoints.http import one_time_routes
from msaas.identity.entrypoints.http.dependencies import IdentityService
from msaas.identity.entrypoints.http.errors import VERSION_HEADER, install_error_handlers
from msaas.identity.entrypoints.http.routes import public_router, router
from msaas.identity.entrypoints.http.throttle import Throttle
from msaas.identity.settings import Settings
from msaas.kernel import Clock, SystemClock
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import (
    Metrics,
    configure_logging,
    configure_tracing,
    instrument,
    shutdown_tracing,
)
from msaas.web import Health, create_app, create_internal_app
from msaas.web import serve as serve_http

SERVICE = "identity"


def build_service(
    settings: Settings, database: Database, passwords: Passwords, metrics: Metrics, clock: Clock
) -> IdentityService:
    use_cases = build_use_cases(settings, database, passwords, clock)
    return IdentityService(
        anon_key=settings.anon_key.get_secret_value().encode(),
        throttle=Throttle(settings.sign_ins_per_minute, clock),
        metrics=metrics,
        use_cases=use_cases,
        one_time=OneTimeSignIn(
            use_cases=use_cases,
            tokens=PostgresOneTimeTokens(database),
            verifier_matches=verifier_matches,
            site_url=settings.site_url,
            clock=clock,
        ),
        discovery=build_discovery(settings.issuer),
    )


def build_use_cases(
    settings: Settings, database: Database, passwords: Passwords, clock: Clock
) -> AuthUseCases:
    return AuthUseCases(
        accounts=PostgresAccounts(database),
        sessions=PostgresSessions(database),
        passwords=passwords,
        tokens=Es256Tokens(PostgresSigningKeys(database), settings.issuer, clock),
        issuer=settings.issuer,
        clock=clock,
    )


def build_app(settings: Settings, database: Database, metrics: Metrics, clock: Clock) -> ASGIApp:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[IdentityService]:
        passwords = Argon2Passwords()
        await prepare_database(database, clock)
        yield build_service(settings, database, passwords, metrics, clock)
        passwords.close()

    app = create_app(
        title=SERVICE,
        metrics=metrics,
        routers=[
            *(public_router, one_time_routes.public_router),
            *(router, one_time_routes.router),
        ],
        lifespan=lifespan,
    )
    install_error_handlers(app)
    # Every origin is allowed: requests are authorized by a token, and no cookie is read.
    return CORSMiddleware(
        app,
        allow_origins=["*"],
        allow_methods=["GET", "POST", "PUT"],
        allow_headers=["*"],
        expose_headers=[VERSION_HEADER, "retry-after", "x-correlation-id"],
    )


async def prepare_database(database: Database, clock: Clock) -> None:
    await ensure_schema(database)
    await RotateKeys(PostgresSigningKeys(database), new_signing_key, clock).ensure_keys()


async def serve(settings: Settings) -> None:
    environment = str(settings.environment)
    configure_logging(SERVICE, environment, level=settings.log_level)
    configure_tracing(
        SERVICE,
        environment,
        endpoint=settings.otel_exporter_otlp_endpoint,
        sample_ratio=settings.otel_traces_sampler_arg,
    )
    instrument("asyncpg")
    metrics = Metrics(SERVICE, environment)
    try:
        async with open_database(settings, metrics) as database:
            health = Health({"db": database.ping})
            await serve_http(
                build_app(settings, database, metrics, SystemClock()),
                address=(settings.host, settings.port),
                internal_app=create_internal_app(health, metrics),
                internal_address=(settings.internal_host, settings.internal_port),
                health=health,
            )
    finally:
        shutdown_tracing()


def configure_command_logging(settings: Settings) -> None:
    """Send a command's log to stderr, so that stdout has its output only."""
    environment = str(settings.environment)
    configure_logging(SERVICE, environment, level=settings.log_level, stream=sys.stderr.buffer)


async def rotate_keys(settings: Settings, *, at_once: bool) -> list[SigningKey]:
    async with _open_prepared_database(settings) as database:
        use_case = RotateKeys(PostgresSigningKeys(database), new_signing_key, SystemClock())
        return list(await use_case.rotate(at_once=at_once))


async def seed_user(
    settings: Settings, email: str, password: str, *, plan: Plan | None, role: str | None
) -> User:
    async with _open_prepared_database(settings) as database:
        use_cases = build_use_cases(settings, database, Argon2Passwords(), SystemClock())
        return await use_cases.seed_user(email, password, plan=plan, role=role)


def open_database(settings: Settings, metrics: Metrics) -> Database:
    return Database(PostgresConfig(settings.database_url.get_secret_value()), metrics)


@asynccontextmanager
async def _open_prepared_database(settings: Settings) -> AsyncGenerator[Database]:
    async with open_database(settings, Metrics(SERVICE, str(settings.environment))) as database:
        await prepare_database(database, SystemClock())
        yield database
