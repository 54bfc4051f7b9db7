"""The real Python client of Supabase Auth, against the real process."""

from collections.abc import AsyncIterator

import pytest
from identity_support import RunningServer
from supabase_auth import AsyncGoTrueClient
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError
from supabase_auth.types import SignInWithEmailAndPasswordCredentials

EMAIL, PASSWORD = "ada@example.com", "correct horse"


def credentials(password: str = PASSWORD) -> SignInWithEmailAndPasswordCredentials:
    return {"email": EMAIL, "password": password}


@pytest.fixture
async def client(running: RunningServer) -> AsyncIterator[AsyncGoTrueClient]:
    made = AsyncGoTrueClient(
        url=f"{running.url}/auth/v1",
        headers={"apikey": "the-anon-key"},
        auto_refresh_token=False,
    )
    async with made:
        yield made


async def test_supabase_py_signs_up_refreshes_updates_and_signs_out(
    client: AsyncGoTrueClient,
) -> None:
    signed_up = await client.sign_up(
        {"email": EMAIL, "password": PASSWORD, "options": {"data": {"name": "Ada"}}}
    )
    assert signed_up.session
    signed_in = await client.sign_in_with_password(credentials())
    assert signed_in.session
    user = await client.get_user()
    assert user
    assert user.user.user_metadata == {"name": "Ada"}
    claims = await client.get_claims()
    assert claims
    assert claims["claims"].get("sub") == user.user.id
    renewed = await client.refresh_session()
    assert renewed.session
    assert renewed.session.refresh_token != signed_in.session.refresh_token
    updated = await client.update_user({"data": {"name": "Countess"}})
    assert updated.user.user_metadata == {"name": "Countess"}
    await client.sign_out()
    with pytest.raises(AuthApiError) as refused:
        await client.refresh_session(renewed.session.refresh_token)
    assert refused.value.code == "refresh_token_not_found"


async def test_errors_arrive_with_their_codes(client: AsyncGoTrueClient) -> None:
    await client.sign_up({"email": EMAIL, "password": PASSWORD})
    with pytest.raises(AuthApiError) as wrong:
        await client.sign_in_with_password(credentials("wrong horse"))
    assert (wrong.value.code, wrong.value.status) == ("invalid_credentials", 400)
    with pytest.raises(AuthApiError) as twice:
        await client.sign_up({"email": EMAIL, "password": PASSWORD})
    assert twice.value.code == "user_already_exists"
    with pytest.raises(AuthWeakPasswordError) as weak:
        await client.sign_up({"email": "b@example.com", "password": "short"})
    assert weak.value.reasons == ["length"]
