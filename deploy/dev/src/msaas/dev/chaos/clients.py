"""Clients that submit under an idempotency key and retry until the job is accepted."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from msaas.dev.chaos.isolated_fleet import PASSWORD, IsolatedFleet
from msaas.kernel import RetryPolicy
from msaas.local.api_client import ApiClient

PLANS = ("ENTERPRISE", "PRO", "ENTERPRISE", "PRO")
_RETRY = RetryPolicy(base=0.1, cap=1.0, attempts=None)


class SubmissionRefused(Exception):
    """A response that a retry would not change."""


@dataclass
class SubmissionStats:
    """The accepted job under each key, the number of retries and the slowest acceptance."""

    job_ids: dict[str, str] = field(default_factory=dict[str, str])
    retries: int = 0
    slowest: float = 0.0


class SubmittingClient:
    def __init__(self, api: ApiClient) -> None:
        self.api = api

    async def submit(self, key: str, delay_ms: int, stats: SubmissionStats) -> None:
        """Retry until the job is accepted; a retry under the same key creates no second job."""
        began, attempt = time.monotonic(), 1
        while (job_id := await self._submit_once(key, delay_ms)) is None:
            await asyncio.sleep(_RETRY.delay(attempt))
            attempt += 1
        stats.retries += attempt - 1
        stats.slowest = max(stats.slowest, time.monotonic() - began)
        stats.job_ids[key] = job_id

    async def _submit_once(self, key: str, delay_ms: int) -> str | None:
        params = {"message": key, "delay_ms": delay_ms}
        request = {"task_type": "echo", "params": params}
        headers = {"idempotency-key": key}
        try:
            answer = await self.api.request("POST", "/jobs", json=request, headers=headers)
            body: dict[str, Any] = answer.json()
        except (httpx.TransportError, ValueError):
            return None
        if answer.is_success:
            return str(body["id"])
        if body.get("retryable"):
            return None
        raise SubmissionRefused(f"{answer.status_code} {body.get('code')}: {body.get('detail')}")


@asynccontextmanager
async def sign_in_new_user(fleet: IsolatedFleet, plan: str) -> AsyncGenerator[ApiClient]:
    """Create a user and yield a client that is signed in as them."""
    running = fleet.running
    email = await fleet.make_user(plan)
    async with ApiClient(running.gateway_url, running.supabase_url, running.anon_key) as api:
        await api.sign_in(email, PASSWORD)
        await api.me()
        yield api


@asynccontextmanager
async def open_clients(fleet: IsolatedFleet) -> AsyncGenerator[list[SubmittingClient]]:
    async with AsyncExitStack() as stack:
        users = [await stack.enter_async_context(sign_in_new_user(fleet, plan)) for plan in PLANS]
        yield [SubmittingClient(api) for api in users]
