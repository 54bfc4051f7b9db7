"""Puts together what takes in Stripe's webhooks."""

from functools import partial

from msaas.gateway.adapters.broker_commands import WEBHOOKS_TOPIC, BrokerCommandSender
from msaas.gateway.application.errors import RateLimited
from msaas.gateway.application.receive_webhooks import ReceiveWebhooks
from msaas.gateway.application.request_rate_limiter import RequestRateLimiter
from msaas.gateway.domain.rate_limit_rules import RateLimitCategory
from msaas.gateway.settings import Settings
from msaas.kernel import SystemClock
from msaas.messaging import CommandClient
from msaas.telemetry import Metrics


def assemble_webhooks(
    settings: Settings,
    command_client: CommandClient,
    rate_limiter: RequestRateLimiter,
    metrics: Metrics,
) -> ReceiveWebhooks:
    secrets = settings.stripe_webhook_secrets.get_secret_value().split(",")
    return ReceiveWebhooks(
        BrokerCommandSender(command_client, WEBHOOKS_TOPIC),
        [secret.strip() for secret in secrets if secret.strip()],
        partial(count_unverified, rate_limiter),
        metrics=metrics,
        clock=SystemClock(),
    )


async def count_unverified(limiter: RequestRateLimiter, address: str) -> None:
    """Refuse an address that sends too many webhooks without a valid signature."""
    decision = await limiter(RateLimitCategory.WEBHOOKS, None, address)
    if decision is not None and not decision.allowed and limiter.enforced:
        raise RateLimited(retry_after=decision.retry_after)
