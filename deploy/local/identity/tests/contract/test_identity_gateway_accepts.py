"""The fleet's own verifier takes these tokens, across a rotation too."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from identity_support import RunningServer

from msaas.auth import TokenVerifier, Unauthenticated
from msaas.telemetry import Metrics

DEMO = {"email": "demo@example.com", "password": "correct horse"}


@pytest.fixture
async def verifier(running: RunningServer) -> AsyncIterator[TokenVerifier]:
    made = TokenVerifier(
        f"{running.url}/auth/v1/.well-known/jwks.json",
        f"{running.url}/auth/v1",
        "authenticated",
        metrics=Metrics("identity", "test"),
    )
    yield made
    await made.close()


@pytest.fixture
async def client(running: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"apikey": "the-anon-key"}
    async with httpx.AsyncClient(base_url=f"{running.url}/auth/v1", headers=headers) as made:
        yield made


async def sign_in(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.post("/token", params={"grant_type": "password"}, json=DEMO)
    return answer.json()


async def test_the_verifier_reads_the_seeded_plan_and_role(
    running: RunningServer, client: httpx.AsyncClient, verifier: TokenVerifier
) -> None:
    options = ("--email", DEMO["email"], "--plan", "PRO", "--role", "operator")
    await running.command("seed-user", *options, stdin=DEMO["password"])
    session = await sign_in(client)
    claims = await verifier.verify(session["access_token"])
    assert claims.subject == UUID(session["user"]["id"])
    assert (claims.email, claims.app_plan, claims.app_role) == (DEMO["email"], "PRO", "operator")
    assert claims.expires_at == session["expires_at"]


async def test_a_key_is_published_before_it_signs(
    running: RunningServer, client: httpx.AsyncClient, verifier: TokenVerifier
) -> None:
    session = (await client.post("/signup", json=DEMO)).json()
    before = await verifier.verify(session["access_token"])
    await running.command("rotate-keys", "--at-once")
    after = await verifier.verify((await sign_in(client))["access_token"])
    assert after.subject == before.subject


async def test_a_token_with_large_metadata_is_accepted(
    client: httpx.AsyncClient, verifier: TokenVerifier
) -> None:
    body = {**DEMO, "data": {"much": "é" * 2_000}}
    session = (await client.post("/signup", json=body)).json()
    assert (await verifier.verify(session["access_token"])).email == DEMO["email"]


async def test_the_projects_key_is_not_accepted_as_a_token(verifier: TokenVerifier) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify("the-anon-key")
