"""Clients that submit until a job is accepted, some under an idempotency key and some without."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from msaas.dev.chaos.customers import subscribe
from msaas.dev.chaos.isolated_fleet import PASSWORD, IsolatedFleet
from msaas.kernel import RetryPolicy
from msaas.local.api_client import ApiClient

PLANS = ("ENTERPRISE", "PRO", "ENTERPRISE", "PRO")
_RETRY = RetryPolicy(base=0.1, cap=1.0, attempts=None)
_KEYLESS_SHARE: Final = 3
_ONCE_SHARE: Final = 5
_REFUSED: Final = frozenset({429, 503})
"""The statuses after which a client may repeat its request: it was not carried out."""


class SubmissionRefused(Exception):
    """A response that a retry would not change."""


@dataclass
class SubmissionStats:
    """The accepted job of each request, the number of retries and the slowest acceptance.

    Of the requests without a key, `refused` were answered that they can be repeated; of those in
    `unknown` the client does not know whether they were carried out.
    """

    job_ids: dict[str, str] = field(default_factory=dict[str, str])
    refused: set[str] = field(default_factory=set[str])
    unknown: set[str] = field(default_factory=set[str])
    retries: int = 0
    slowest: float = 0.0


@dataclass(frozen=True, slots=True)
class Submission:
    """One job that a client wants; its number decides its task and whether it has a key."""

    prefix: str
    number: int
    delay_ms: int

    @property
    def has_key(self) -> bool:
        return self.number % _KEYLESS_SHARE > 0

    def name_request(self, attempt: int) -> str:
        """Return a text for the parameters; without a key each attempt is a request of its own."""
        name = f"{self.prefix}{self.number}"
        return name if self.has_key else f"{name}.{attempt}"

    def build_request(self, text: str) -> dict[str, Any]:
        if self.number % _ONCE_SHARE:
            params: dict[str, Any] = {"message": text, "delay_ms": self.delay_ms}
            return {"task_type": "echo", "params": params}
        steps = [{"do": "click", "selector": "button"}]
        params = {"url": f"https://example.com/{text}", "steps": steps}
        return {"task_type": "run_steps", "params": params}


class SubmittingClient:
    def __init__(self, api: ApiClient) -> None:
        self.api = api

    async def submit(self, submission: Submission, stats: SubmissionStats) -> None:
        """Retry until a job is accepted; a retry under the same key creates no second job."""
        began, attempt = time.monotonic(), 1
        while not await self._submit_once(submission, submission.name_request(attempt), stats):
            await asyncio.sleep(_RETRY.delay(attempt))
            attempt += 1
        stats.retries += attempt - 1
        stats.slowest = max(stats.slowest, time.monotonic() - began)

    async def _submit_once(self, submission: Submission, text: str, stats: SubmissionStats) -> bool:
        headers = {"idempotency-key": text} if submission.has_key else {}
        request = submission.build_request(text)
        missed = stats.unknown
        try:
            answer = await self.api.request("POST", "/jobs", json=request, headers=headers)
            if answer.status_code in _REFUSED:
                missed = stats.refused
            body: dict[str, Any] = answer.json()
        except (httpx.TransportError, ValueError):
            body = {"retryable": True}
        else:
            if answer.is_success:
                stats.job_ids[text] = str(body["id"])
                return True
        if not body.get("retryable"):
            raise SubmissionRefused(str(body))
        if not submission.has_key:
            missed.add(text)
        return False


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
    """Yield clients of users who pay for their plans."""
    async with AsyncExitStack() as stack:
        users = [await stack.enter_async_context(sign_in_new_user(fleet, "FREE")) for _ in PLANS]
        for api, plan in zip(users, PLANS, strict=True):
            await subscribe(fleet, api, plan)
        yield [SubmittingClient(api) for api in users]
