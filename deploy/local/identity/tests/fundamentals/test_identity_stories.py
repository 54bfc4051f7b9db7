"""The tutorial: a user and the auth server, one idea each."""

from identity_support import Identity


async def test_a_user_signs_up_and_is_identified_by_the_token(identity: Identity) -> None:
    session = await identity.sign_up("Ada@Example.com", data={"name": "Ada"})
    user = (await identity.user(session)).json()
    assert user["email"] == "ada@example.com"
    assert user["user_metadata"] == {"name": "Ada"}
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"]}


async def test_a_user_signs_in_again_with_the_password(identity: Identity) -> None:
    await identity.sign_up()
    assert (await identity.sign_in()).json()["user"]["email"] == "a@example.com"
    assert (await identity.sign_in(password="wrong horse")).status_code == 400


async def test_a_session_outlives_its_access_token_by_refreshing(identity: Identity) -> None:
    session = await identity.sign_up()
    await identity.clock.advance(3600)
    assert (await identity.user(session)).json()["code"] == "bad_jwt"
    renewed = (await identity.refresh(session["refresh_token"])).json()
    assert (await identity.user(renewed)).status_code == 200
    assert renewed["refresh_token"] != session["refresh_token"]


async def test_a_stolen_refresh_token_ends_the_session_of_both(identity: Identity) -> None:
    stolen = await identity.sign_up()
    second = (await identity.refresh(stolen["refresh_token"])).json()
    third = (await identity.refresh(second["refresh_token"])).json()
    assert (await identity.refresh(stolen["refresh_token"])).status_code == 400
    answer = await identity.refresh(third["refresh_token"])
    assert answer.json()["code"] == "refresh_token_already_used"
    assert (await identity.user(third)).json()["code"] == "session_not_found"


async def test_signing_out_ends_every_session(identity: Identity) -> None:
    here = await identity.sign_up()
    there = (await identity.sign_in()).json()
    assert (await identity.sign_out(here, "global")).status_code == 204
    assert (await identity.user(there)).json()["code"] == "session_not_found"
    assert (await identity.refresh(there["refresh_token"])).json()["code"] == (
        "refresh_token_not_found"
    )
