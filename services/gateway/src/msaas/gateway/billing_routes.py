"""Assembles what the routes of billing call; with it `bootstrap` is the composition root."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from msaas.gateway.adapters.broker_commands import (
    BILLING_TIMEOUT_SECONDS,
    BILLING_TOPIC,
    WEBHOOKS_TOPIC,
    BrokerCommandSender,
)
from msaas.gateway.adapters.postgres.billing_views import PostgresBillingViews
from msaas.gateway.adapters.postgres.invoice_views import PostgresInvoiceViews
from msaas.gateway.application.errors import RateLimited
from msaas.gateway.application.receive_webhooks import ReceiveWebhooks
from msaas.gateway.application.request_rate_limiter import RequestRateLimiter
from msaas.gateway.domain.rate_limit_rules import RateLimitCategory
from msaas.gateway.settings import Settings
from msaas.kernel import SystemClock
from msaas.messaging import CommandClient
from msaas.postgres import Database
from msaas.telemetry import Metrics

BILLING_TOPICS: Final = (BILLING_TOPIC, WEBHOOKS_TOPIC)


@dataclass(frozen=True, kw_only=True)
class BillingRoutes:
    views: PostgresBillingViews
    invoices: PostgresInvoiceViews
    commands: BrokerCommandSender
    webhooks: ReceiveWebhooks


def assemble_billing_routes(
    client: CommandClient,
    reads: Database,
    limiter: RequestRateLimiter,
    settings: Settings,
    metrics: Metrics,
) -> BillingRoutes:
    secrets = settings.stripe_webhook_secrets.get_secret_value().split(",")
    return BillingRoutes(
        views=PostgresBillingViews(reads),
        invoices=PostgresInvoiceViews(reads),
        commands=BrokerCommandSender(client, BILLING_TOPIC, BILLING_TIMEOUT_SECONDS),
        webhooks=ReceiveWebhooks(
            BrokerCommandSender(client, WEBHOOKS_TOPIC),
            [secret.strip() for secret in secrets if secret.strip()],
            partial(count_unverified, limiter),
            metrics=metrics,
            clock=SystemClock(),
        ),
    )


async def count_unverified(limiter: RequestRateLimiter, address: str) -> None:
    """Refuse an address that sends too many webhooks without a valid signature."""
    decision = await limiter(RateLimitCategory.WEBHOOKS, None, address)
    if decision is not None and not decision.allowed and limiter.enforced:
        raise RateLimited(retry_after=decision.retry_after)
