"""The composition root: connects the server with its file, its clock and its sender."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette

from msaas.kernel import Clock, SystemClock
from msaas.stripe.adapters.sqlite_journal import SqliteJournal
from msaas.stripe.adapters.stripe_package import StripePackage
from msaas.stripe.adapters.webhook_sender import WebhookSender
from msaas.stripe.application.context import Api, Controls
from msaas.stripe.application.server import Server
from msaas.stripe.application.store import Store
from msaas.stripe.application.timeline import Timeline
from msaas.stripe.entrypoints.http.app import build_app
from msaas.stripe.entrypoints.http.faults import Faults, RateLimit
from msaas.stripe.settings import Settings
from msaas.telemetry import Metrics, configure_logging
from msaas.web import Health, create_internal_app
from msaas.web import serve as serve_http

SERVICE = "stripe"


def build_server(settings: Settings, clock: Clock) -> Server:
    api = Api(
        store=Store(SqliteJournal(settings.data)),
        timeline=Timeline(clock),
        specification=StripePackage(),
        public_url=settings.public_url.rstrip("/"),
        controls=Controls(
            aggregation_delay=settings.aggregation_delay,
            webhook_secret=settings.webhook_secret.get_secret_value()
            if settings.webhook_secret
            else "",
        ),
    )
    return Server(api)


def build(settings: Settings, clock: Clock) -> tuple[Server, Starlette]:
    server = build_server(settings, clock)
    senders: list[WebhookSender] = []

    @asynccontextmanager
    async def running() -> AsyncGenerator[None]:
        async with httpx.AsyncClient(timeout=settings.webhook_timeout, trust_env=False) as client:
            sender = WebhookSender(server, client, scale=settings.retry_scale)
            senders.append(sender)
            async with sender.running():
                yield

    def on_change() -> None:
        for sender in senders:
            sender.wake()

    app = build_app(
        server,
        faults=Faults(),
        limits=build_limits(settings, clock),
        on_change=on_change,
        running=running,
    )
    return server, app


def build_limits(settings: Settings, clock: Clock) -> Callable[[str], RateLimit]:
    """Return the limit of a path: Stripe's numbers, unless the settings have others."""
    general = RateLimit(settings.requests_per_second, clock)
    by_path = {
        "/v1/billing/meter_events": RateLimit(settings.meter_events_per_second, clock),
        "/v2/billing/meter_events": RateLimit(settings.meter_events_per_second, clock),
        "/v2/billing/meter_event_stream": RateLimit(settings.stream_requests_per_second, clock),
    }
    return lambda path: by_path.get(path, general)


async def serve(settings: Settings) -> None:
    environment = str(settings.environment)
    configure_logging(SERVICE, environment, level=settings.log_level)
    _server, app = build(settings, SystemClock())
    health = Health({})
    await serve_http(
        app,
        address=(settings.host, settings.port),
        internal_app=create_internal_app(health, Metrics(SERVICE, environment)),
        internal_address=(settings.internal_host, settings.internal_port),
        health=health,
    )
