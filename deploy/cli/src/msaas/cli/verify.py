"""`./msaas verify`: tries a deployed stack as a client does, from the edge to a finished job."""

import asyncio
import os
import time
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import httpx

from msaas.embedded import LocalError
from msaas.local.api_client import ApiClient
from msaas.local.errors import report_errors

EMAIL: Final = "MSAAS_VERIFY_EMAIL"
PASSWORD: Final = "MSAAS_VERIFY_PASSWORD"  # noqa: S105  # a variable's name
_POLL: Final = 0.2
_PENDING: Final = frozenset({"PENDING", "RUNNING"})


@dataclass(frozen=True)
class Stack:
    """The addresses of a stack as its clients see them; without credentials only its edge."""

    gateway_url: str
    supabase_url: str
    anon_key: str
    email: str
    password: str
    timeout: float

    @classmethod
    def read(
        cls, url: str, supabase_url: str | None, timeout: float, env: Mapping[str, str]
    ) -> "Stack":
        return cls(
            gateway_url=url.rstrip("/"),
            supabase_url=(supabase_url or env.get("SUPABASE_URL", "")).rstrip("/"),
            anon_key=env.get("SUPABASE_ANON_KEY", "local-anon-key"),
            email=env.get(EMAIL, ""),
            password=env.get(PASSWORD, ""),
            timeout=timeout,
        )


@report_errors
def run(argv: list[str]) -> int:
    parser = ArgumentParser("msaas verify", description=__doc__)
    parser.add_argument("url", help="the gateway's address, for example https://api.example.com")
    parser.add_argument("--supabase-url", help="where to sign in (default: SUPABASE_URL)")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for each step")
    chosen = parser.parse_args(argv)
    stack = Stack.read(chosen.url, chosen.supabase_url, chosen.timeout, os.environ)
    try:
        asyncio.run(verify(stack))
    except (httpx.HTTPError, TimeoutError) as error:
        raise LocalError(f"{type(error).__name__}: {error}") from error
    return 0


async def verify(stack: Stack) -> None:
    """Raise LocalError at the first step that fails."""
    async with ApiClient(stack.gateway_url, stack.supabase_url, stack.anon_key) as api:
        await _verify_edge(api)
        if not (stack.email and stack.password and stack.supabase_url):
            print(f"- not signed in: set {EMAIL}, {PASSWORD} and SUPABASE_URL to try a job too")
            return
        await api.sign_in(stack.email, stack.password)
        account = await api.me()
        print(f"✓ signed in; the plan is {account['plan']}")
        await _verify_job(api, stack.timeout)


async def _verify_edge(api: ApiClient) -> None:
    """Expect the refusal of a request without a token: the edge works and is not open."""
    answer = await api.request("GET", "/me")
    is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    if answer.status_code != HTTPStatus.UNAUTHORIZED or not is_problem:
        raise LocalError(f"The edge answered {answer.status_code} to a request without a token.")
    print("✓ the edge answers, and refuses a request without a token")


async def _verify_job(api: ApiClient, timeout: float) -> None:  # noqa: ASYNC109  # one deadline
    message = "Hello from verify."
    began = time.monotonic()
    async with asyncio.timeout(timeout):
        job = await api.submit("echo", {"message": message})
        while job["status"] in _PENDING:
            await asyncio.sleep(_POLL)
            job = await api.job(job["id"])
    if job["status"] != "COMPLETED":
        raise LocalError(f"The job ended as {job['status']}: {job.get('last_error')}")
    result = (await api.result(job["id"]))["result"]
    if result.get("message") != message:
        raise LocalError("The job is completed, but its result is not what was sent.")
    print(f"✓ an echo job is COMPLETED after {time.monotonic() - began:.2f} s")
