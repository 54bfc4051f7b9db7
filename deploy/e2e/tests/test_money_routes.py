"""Every route that changes money, as the API's document lists them, has one effect for one key."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml

from msaas.dev.chaos import IsolatedFleet
from msaas.dev.chaos.customers import repeat, subscribe
from msaas.dev.workspace import ROOT
from msaas.local.api_client import ApiClient

SignIn = Callable[..., Awaitable[ApiClient]]

DOCUMENT: Any = yaml.safe_load((ROOT / "contracts/openapi/gateway.v1.yaml").read_text())
CHANGES = frozenset({"post", "put", "patch", "delete"})
KINDS = ("checkout.session", "billing_portal.session", "subscription", "subscription_schedule")
KEY = "sk_test_local"
AT_ONCE = 5
CONFLICT = 409
# A checkout is for users without a subscription; everything else needs one.
PLANS = {"openCheckout": "FREE"}
# The address of a portal is not stored: a repeated request is a conflict.
UNREPEATABLE = frozenset({"openPortal"})


@dataclass(frozen=True, slots=True)
class MoneyRoute:
    operation: str
    method: str
    path: str
    body: dict[str, Any] | None

    async def send(self, api: ApiClient, key: str) -> httpx.Response:
        return await api.request(self.method, self.path, **self.build(key))

    def build(self, key: str) -> dict[str, Any]:
        headers = {"idempotency-key": key} if key else {}
        return {"headers": headers, **({"json": self.body} if self.body else {})}


def list_routes() -> list[MoneyRoute]:
    routes: list[MoneyRoute] = []
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            if method in CHANGES and "billing" in operation["tags"]:
                content = operation.get("requestBody", {}).get("content", {})
                body = content.get("application/json", {}).get("example")
                routes.append(MoneyRoute(operation["operationId"], method.upper(), path, body))
    return routes


ROUTES = list_routes()


@dataclass(frozen=True, slots=True)
class Payer:
    """A user, and what the stand-in has done for them."""

    fleet: IsolatedFleet
    api: ApiClient
    user_id: str

    async def read(self, path: str) -> Any:
        headers = {"authorization": f"Bearer {KEY}"}
        url = self.fleet.url("stripe")
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as http:
            return (await http.get(path, timeout=60)).raise_for_status().json()

    async def count_effects(self) -> Counter[str]:
        """Count objects of the stand-in, changes of subscriptions, and changes of the limit."""
        objects = (await self.read("/_control/state"))["objects"]
        events = await self.read("/v1/events?limit=100&type=customer.subscription.updated")
        customers = [
            row["stripe_customer_id"]
            for row in await self.fleet.fetch(
                "SELECT stripe_customer_id FROM billing.accounts WHERE user_id = $1::uuid",
                self.user_id,
            )
        ]
        own = [each for each in events["data"] if each["data"]["object"]["customer"] in customers]
        requests = await self.fleet.fetch(
            "SELECT count(*) FROM billing.requests r JOIN billing.accounts a ON a.id = r.account_id"
            " WHERE a.user_id = $1::uuid",
            self.user_id,
        )
        found = {kind: int(objects.get(kind, 0)) for kind in KINDS}
        return Counter({**found, "updates": len(own), "requests": requests[0][0]})


async def make_payer(fleet: IsolatedFleet, sign_in: SignIn, plan: str) -> Payer:
    api = await sign_in("FREE")
    if plan != "FREE":
        await subscribe(fleet, api, plan)
    return Payer(fleet, api, (await api.me())["id"])


async def measure(payer: Payer, act: Callable[[], Awaitable[list[httpx.Response]]]) -> Any:
    """Return the answers and the effects of what is done."""
    before = await payer.count_effects()
    answers = await act()
    return answers, await payer.count_effects() - before


def test_the_document_has_money_routes() -> None:
    assert {"openCheckout", "openPortal", "changePlan", "setSpendLimit"} <= {
        route.operation for route in ROUTES
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
async def test_a_key_has_one_effect_twice_at_once_and_after_a_failure(
    fleet: IsolatedFleet, sign_in: SignIn, route: MoneyRoute
) -> None:
    plan = PLANS.get(route.operation, "PRO")
    payer = await make_payer(fleet, sign_in, plan)
    assert (await route.send(payer.api, "")).status_code == 400  # a change without a key

    async def twice() -> list[httpx.Response]:
        key = uuid4().hex
        return [await route.send(payer.api, key) for _ in range(2)]

    (first, second), once = await measure(payer, twice)
    assert first.is_success, first.text
    if route.operation in UNREPEATABLE:
        assert second.status_code == CONFLICT
    else:
        assert (second.status_code, second.json()) == (first.status_code, first.json())
    assert once["requests"] == 1
    assert max(once.values()) == 1, once

    payer = await make_payer(fleet, sign_in, plan)

    async def at_once() -> list[httpx.Response]:
        key = uuid4().hex
        sent = await asyncio.gather(*(route.send(payer.api, key) for _ in range(AT_ONCE)))
        return list(sent)

    answers, effects = await measure(payer, at_once)
    assert effects == once
    succeeded = [answer for answer in answers if answer.is_success]
    assert succeeded
    assert all(answer.json() == succeeded[0].json() for answer in succeeded)
    assert {answer.status_code for answer in answers} <= {first.status_code, CONFLICT}

    payer = await make_payer(fleet, sign_in, plan)

    async def after_a_failure() -> list[httpx.Response]:
        """Stripe does what it is asked and its answers are lost, longer than our client retries."""
        key = uuid4().hex
        fault = {"kind": "lost_answer", "method": "POST", "path": "(?!/v1/customers$).*"}
        await fleet.control_stripe("faults", **fault, remaining=3)
        failed = await route.send(payer.api, key)
        async with httpx.AsyncClient(base_url=fleet.url("stripe"), trust_env=False) as http:
            await http.delete("/_control/faults")
        if once - Counter(requests=1):  # the route calls Stripe
            assert failed.status_code in {503, 504}, failed.text
        await repeat(payer.api, route.method, route.path, **route.build(key))
        return [await route.send(payer.api, key)]

    [last], effects = await measure(payer, after_a_failure)
    assert effects == once
    assert last.status_code == (CONFLICT if route.operation in UNREPEATABLE else first.status_code)
