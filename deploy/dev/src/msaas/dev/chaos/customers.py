"""Users who pay: they buy a plan at the stand-in for Stripe, and change it while faults happen."""

import asyncio
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from msaas.cli.audit import CustomerAudit, audit_customers, find_stripe
from msaas.dev.chaos.isolated_fleet import IsolatedFleet
from msaas.dev.chaos.waiting import wait_until
from msaas.embedded import LocalError
from msaas.local.api_client import ApiClient

SETTLE_SECONDS: Final = 300.0
"""Entries of usage that were lost are asked for after half a minute, and sends are repeated."""

_PLAN_SECONDS: Final = 120.0
_PAUSE: Final = 0.5
_REPEATED: Final = frozenset({409, 429, 500, 502, 503, 504})
_FIND_PLAN: Final = "SELECT plan FROM jobs.subjects WHERE user_id = $1::uuid"


async def subscribe(fleet: IsolatedFleet, api: ApiClient, plan: str) -> None:
    """Go through the checkout, and return when jobs are counted under the plan."""
    checkout = await change(api, "POST", "/billing/checkout-session", {"plan": plan})
    session = urlsplit(str(checkout["url"])).path.rpartition("/")[2]
    await fleet.control_stripe("complete-checkout", session=session)
    user_id = (await api.me())["id"]

    async def is_in_force() -> bool:
        rows = await fleet.fetch(_FIND_PLAN, user_id)
        return [row["plan"] for row in rows] == [plan]

    async with asyncio.timeout(_PLAN_SECONDS):
        await wait_until(is_in_force)


async def cancel_and_keep(api: ApiClient) -> None:
    """Cancel the subscription and take that back, whatever happens meanwhile."""
    plan = (await repeat(api, "GET", "/billing/subscription"))["plan"]
    await change(api, "POST", "/billing/subscription/change", {"plan": "FREE"})
    await change(api, "POST", "/billing/subscription/change", {"plan": plan})


async def change(api: ApiClient, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Repeat a request under one key until it is answered."""
    return await repeat(api, method, path, json=body, headers={"idempotency-key": uuid4().hex})


async def repeat(api: ApiClient, method: str, path: str, **options: Any) -> dict[str, Any]:
    while True:
        try:
            answer = await api.request(method, path, **options)
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.is_success:
            return answer.json()
        if answer is not None and answer.status_code not in _REPEATED:
            raise LocalError(f"{path}: {answer.status_code} {answer.text}")
        await asyncio.sleep(_PAUSE)


async def settle_customers(fleet: IsolatedFleet) -> CustomerAudit:
    """Return the numbers of the customers once they are equal, or what they are by the deadline."""
    url, stripe = fleet.url("postgres"), find_stripe(fleet.environment)
    end = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while True:
        audit = await audit_customers(url, stripe)
        if audit.is_settled or asyncio.get_running_loop().time() > end:
            return audit
        await asyncio.sleep(_PAUSE)
