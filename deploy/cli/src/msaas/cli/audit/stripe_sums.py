"""Reads the sums of Stripe's meter, or of its stand-in's, without a client library."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx

from msaas.cli.audit.customers import CustomerUsage, with_sum
from msaas.embedded import LocalError
from msaas.local.running_fleet import get_billing_environment

_STRIPE: Final = "https://api.stripe.com"
_STAND_IN_KEY: Final = "sk_test_local"
_CONCURRENT: Final = 8
_ATTEMPTS: Final = 5
_RETRIED: Final = frozenset({409, 429, 500, 502, 503, 504})
_TIMEOUT: Final = 20.0
_MINUTE: Final = 60
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class StripeSums:
    """Asks for the sum of one customer; a refusal for the moment is tried again with a pause."""

    http: httpx.AsyncClient
    slots: asyncio.Semaphore
    is_delayed: bool

    async def add_to(self, customer: CustomerUsage) -> CustomerUsage:
        if customer.meter_id is None:
            return customer
        async with self.slots:
            at_stripe = await self._read(customer)
        return with_sum(customer, at_stripe, delayed=self.is_delayed)

    async def _read(self, customer: CustomerUsage) -> int | None:
        path = f"/v1/billing/meters/{customer.meter_id}/event_summaries"
        params = {
            "customer": customer.customer_id,
            "start_time": _floor(customer.since),
            "end_time": _floor(customer.read_at) + _DAY,
        }
        for attempt in range(1, _ATTEMPTS + 1):
            answer = await self._get(path, params)
            if answer is not None and answer.status_code not in _RETRIED:
                return _sum(answer)
            await asyncio.sleep(0.2 * 2**attempt)
        raise LocalError("Stripe does not answer: its sums are not compared.")

    async def _get(self, path: str, params: Mapping[str, Any]) -> httpx.Response | None:
        try:
            return await self.http.get(path, params=params)
        except httpx.TransportError:
            return None


def _sum(answer: httpx.Response) -> int | None:
    body: dict[str, Any] = answer.json()
    if answer.is_error:
        if body.get("error", {}).get("code") == "resource_missing":
            return None
        raise LocalError(f"Stripe refuses to tell its sums: {answer.status_code}.")
    return int(sum(float(each["aggregated_value"]) for each in body["data"]))


def _floor(at: datetime) -> int:
    return int(at.timestamp()) // _MINUTE * _MINUTE


def find_stripe(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the address and the key: Stripe's with STRIPE_API_KEY, else the fleet's stand-in's."""
    key = environment.get("STRIPE_API_KEY")
    if url := environment.get("BILLING_STRIPE_URL") or (_STRIPE if key else None):
        return url, key or _STAND_IN_KEY
    if environment.get("DATABASE_URL"):
        return None
    try:
        return get_billing_environment(environment)["BILLING_STRIPE_URL"], _STAND_IN_KEY
    except LocalError:
        return None


@asynccontextmanager
async def open_sums(url: str, key: str) -> AsyncGenerator[StripeSums]:
    async with httpx.AsyncClient(
        base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=_TIMEOUT, trust_env=False
    ) as http:
        yield StripeSums(http, asyncio.Semaphore(_CONCURRENT), is_delayed=url == _STRIPE)
