"""A request with a bearer token, through a whole application over real sockets."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import APIRouter, Depends, FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey
from structlog.testing import capture_logs

from msaas.auth import (
    Authenticator,
    RequireUser,
    TokenClaims,
    TokenVerifier,
    Unauthenticated,
    UserPrincipal,
)
from msaas.telemetry import Metrics
from msaas.web import create_app, get_state

KEY = ECKey.generate_key("P-256", {"kid": "one"})
FOREIGN = ECKey.generate_key("P-256", {"kid": "one"})
PUBLISHED = json.dumps({"keys": [KEY.as_dict(private=False)]}).encode()
ISSUER = "https://project.example.com/auth/v1"
USER, ERASED = uuid4(), uuid4()
require_user = RequireUser(lambda scope: get_state(scope, Authenticator))


def sign(key: ECKey = KEY, **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": "authenticated",
        "sub": str(USER),
        "role": "authenticated",
        "email": "ann@example.com",
        "iat": now,
        "exp": now + 3600,
    }
    return jwt.encode({"alg": "ES256", "kid": key.kid}, claims | changes, key)


class FakeUsers:
    async def get_principal(self, claims: TokenClaims) -> UserPrincipal:
        if claims.subject == ERASED:
            raise Unauthenticated
        return UserPrincipal(claims.subject, claims.email, "PRO", None, "user")


class KeyServer:
    is_well = True
    url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status = b"200 OK" if self.is_well else b"500 Internal Server Error"
        head = b"HTTP/1.1 %s\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        writer.write(head % (status, len(PUBLISHED)) + PUBLISHED)
        writer.close()
        await writer.wait_closed()


@pytest_asyncio.fixture
async def key_server() -> AsyncIterator[KeyServer]:
    made = KeyServer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    made.url = f"http://{host}:{port}/auth/v1/.well-known/jwks.json"
    yield made
    server.close()


@pytest.fixture
def app(metrics: Metrics, key_server: KeyServer) -> FastAPI:
    """Build the application that `client` calls."""
    router = APIRouter(prefix="/api/v1")

    @router.get("/me")
    async def read_me(user: Annotated[UserPrincipal, Depends(require_user)]) -> dict[str, str]:
        return {"id": str(user.id), "plan": user.plan, "role": user.role}

    @router.get("/open")
    async def read_open() -> None: ...

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[Authenticator]:
        verifier = TokenVerifier(key_server.url, ISSUER, "authenticated", metrics=metrics)
        yield Authenticator(verifier, FakeUsers())
        await verifier.close()

    return create_app(title="auth tests", metrics=metrics, routers=[router], lifespan=lifespan)


async def get_me(client: httpx.AsyncClient, authorization: str | None) -> httpx.Response:
    headers = {} if authorization is None else {"authorization": authorization}
    return await client.get("/me", headers=headers)


async def test_a_valid_token_identifies_its_user(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        answer = await get_me(client, f"Bearer {sign()}")
        assert answer.status_code == 200
        assert answer.json() == {"id": str(USER), "plan": "PRO", "role": "user"}


async def test_every_refusal_has_the_same_response(client: httpx.AsyncClient) -> None:
    expected = await get_me(client, None)
    assert expected.json()["code"] == "unauthenticated"
    for authorization in (
        "Basic YW5uOnNlY3JldA==",
        "Bearer",
        "Bearer open-sesame",
        f"Bearer {sign(FOREIGN)}",
        f"Bearer {sign(sub=str(ERASED))}",
        f"Bearer {sign(aud='other')}",
        f"Bearer {sign(role='anon')}",
        f"Bearer {sign(user_metadata='x' * 8192)}",
    ):
        answer = await get_me(client, authorization)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        without_id = {"correlation_id": None}
        assert answer.json() | without_id == expected.json() | without_id
        assert answer.headers.keys() == expected.headers.keys()


async def test_an_expired_token_has_its_own_code(client: httpx.AsyncClient) -> None:
    answer = await get_me(client, f"Bearer {sign(exp=int(time.time()) - 1)}")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_without_published_keys_the_response_is_503(
    client: httpx.AsyncClient, key_server: KeyServer
) -> None:
    key_server.is_well = False
    answer = await get_me(client, f"Bearer {sign()}")
    assert (answer.status_code, answer.json()["code"]) == (503, "dependency_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert "jwks" not in answer.text
    assert (await client.get("/open")).status_code == 200


async def test_the_access_log_has_the_user_and_no_part_of_the_token(
    client: httpx.AsyncClient,
) -> None:
    token = sign()
    with capture_logs() as logs:
        await get_me(client, f"Bearer {token}")
        await client.get("/open")
    mine, open_to_all = (line for line in logs if line["event"] == "request_served")
    assert mine["user_id"] == str(USER)
    assert "user_id" not in open_to_all
    assert not [part for part in [*token.split("."), "ann@example.com"] if part in str(logs)]


def test_the_document_says_which_operations_need_a_token(app: FastAPI) -> None:
    document = app.openapi()
    assert document["components"]["securitySchemes"] == {
        "accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    assert document["paths"]["/api/v1/me"]["get"]["security"] == [{"accessToken": []}]
    assert "security" not in document["paths"]["/api/v1/open"]["get"]
