"""Users who submit as good clients do: under a key, and again until they are answered."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from msaas.cli.api_client import ApiClient
from msaas.cli.chaos.own_fleet import PASSWORD, OwnFleet
from msaas.kernel import RetryPolicy

PLANS = ("ENTERPRISE", "PRO", "ENTERPRISE", "PRO")
_AGAIN = RetryPolicy(base=0.1, cap=1.0, attempts=None)


class SubmissionRefused(Exception):
    """An answer that trying again would not change."""


@dataclass
class Seen:
    """What the clients were told: the id under each key, and what it took to be told."""

    ids: dict[str, str] = field(default_factory=dict[str, str])
    tried_again: int = 0
    slowest: float = 0.0


class Client:
    def __init__(self, api: ApiClient) -> None:
        self.api = api

    async def submit(self, key: str, delay_ms: int, seen: Seen) -> None:
        """Go on until acknowledged: to ask again under the same key makes no second job."""
        began, attempt = time.monotonic(), 1
        while (job_id := await self._try(key, delay_ms)) is None:
            await asyncio.sleep(_AGAIN.delay(attempt))
            attempt += 1
        seen.tried_again += attempt - 1
        seen.slowest = max(seen.slowest, time.monotonic() - began)
        seen.ids[key] = job_id

    async def _try(self, key: str, delay_ms: int) -> str | None:
        params = {"message": key, "delay_ms": delay_ms}
        body = {"task_type": "echo", "params": params}
        headers = {"idempotency-key": key}
        try:
            answer = await self.api.request("POST", "/jobs", json=body, headers=headers)
            said: dict[str, Any] = answer.json()
        except (httpx.TransportError, ValueError):
            return None
        if answer.is_success:
            return str(said["id"])
        if said.get("retryable"):
            return None
        raise SubmissionRefused(f"{answer.status_code} {said.get('code')}: {said.get('detail')}")


@asynccontextmanager
async def be_somebody(fleet: OwnFleet, plan: str) -> AsyncGenerator[ApiClient]:
    """Be a new user, signed in."""
    running = fleet.running
    email = await fleet.make_user(plan)
    async with ApiClient(running.gateway_url, running.supabase_url, running.anon_key) as api:
        await api.sign_in(email, PASSWORD)
        await api.me()
        yield api


@asynccontextmanager
async def make_clients(fleet: OwnFleet) -> AsyncGenerator[list[Client]]:
    async with AsyncExitStack() as stack:
        users = [await stack.enter_async_context(be_somebody(fleet, plan)) for plan in PLANS]
        yield [Client(api) for api in users]
