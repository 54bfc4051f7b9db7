"""One way to call Stripe: timeout, retries, breaker, span, metrics, and errors of the domain."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import stripe

from msaas.billing.domain.errors import (
    PaymentDeclined,
    StripeObjectMissing,
    StripeRefused,
    StripeUnavailable,
)
from msaas.kernel import Breaker, BreakerPolicy, Clock, MsaasError, SystemClock
from msaas.telemetry import Metrics, circuit_state_listener, span

TARGET: Final = "stripe"
API_VERSION: Final = stripe.api_version
"""The version that this package is written for: the webhook endpoint is pinned to it too."""

MAX_RETRIES: Final = 2

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeTimeouts:
    """Stripe needs longer than a service of our own: a checkout takes it a second.

    `request` is the limit of one attempt, `call` that of all attempts together.
    """

    request: float = 4.0
    call: float = 9.0


class StripeClient:
    """The client and its breaker; `url` replaces Stripe by a server that speaks its format."""

    def __init__(
        self,
        api_key: str,
        metrics: Metrics,
        *,
        url: str | None = None,
        timeouts: StripeTimeouts | None = None,
        clock: Clock | None = None,
        policy: BreakerPolicy | None = None,
    ) -> None:
        bases: dict[str, str] = {} if url is None else {"api": url, "meter_events": url}
        self._timeouts = timeouts or StripeTimeouts()
        self._http_client = stripe.HTTPXClient(timeout=self._timeouts.request)
        self.sdk: Final = stripe.StripeClient(
            api_key,
            base_addresses=bases,  # pyright: ignore[reportArgumentType]  # a TypedDict
            max_network_retries=MAX_RETRIES,
            http_client=self._http_client,
        )
        self._breaker = Breaker(
            TARGET,
            policy or BreakerPolicy(),
            clock or SystemClock(),
            circuit_state_listener(metrics),
        )
        self._calls_total = metrics.counter(
            "billing_stripe_calls_total", "Calls of Stripe.", ("operation", "outcome")
        )
        self._seconds = metrics.histogram(
            "billing_stripe_call_seconds", "Time of a call with its retries.", ("operation",)
        )

    async def call(self, operation: str, request: Callable[[], Awaitable[T]]) -> T:
        """Run one call, whose parameters hold the idempotency key where it changes anything."""
        async with self._measured(operation), self._breaker:
            try:
                async with asyncio.timeout(self._timeouts.call):
                    return await request()
            except TimeoutError as error:
                raise StripeUnavailable(target=TARGET, reason="timeout") from error
            except stripe.StripeError as error:
                raise translate(error) from error

    async def close(self) -> None:
        await self._http_client.close_async()

    @asynccontextmanager
    async def _measured(self, operation: str) -> AsyncGenerator[None]:
        outcome = "failed"
        with self._seconds.labels(operation).time(), span(f"billing.stripe.{operation}"):
            try:
                yield
                outcome = "ok"
            except MsaasError as error:
                outcome = error.code
                raise
            finally:
                self._calls_total.labels(operation, outcome).inc()


def translate(error: stripe.StripeError) -> MsaasError:
    """Map Stripe's errors; the texts of Stripe stay in the log, since they may name a customer."""
    context = {"target": TARGET, "reason": error.code or type(error).__name__}
    match error:
        case stripe.CardError():
            return PaymentDeclined(**context)
        case stripe.InvalidRequestError(code="resource_missing"):
            return StripeObjectMissing(**context)
        case stripe.InvalidRequestError() | stripe.IdempotencyError():
            return StripeRefused(**context)
        case _:  # no answer, an error of Stripe, too many requests; or a key that is to be replaced
            return StripeUnavailable(**context)
