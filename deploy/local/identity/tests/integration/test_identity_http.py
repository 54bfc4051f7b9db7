"""Every endpoint, over HTTP: shapes, codes, headers."""

import asyncio
from typing import Any

import httpx
import pytest
from identity_support import Identity, StartServer

from msaas.identity.settings import Settings


async def test_a_session_has_the_format_of_supabase(identity: Identity) -> None:
    session = await identity.sign_up(data={"name": "Ada"})
    assert session.keys() == {
        *("access_token", "token_type", "expires_in", "expires_at", "refresh_token", "user")
    }
    assert (session["token_type"], session["expires_in"]) == ("bearer", 3600)
    assert session["expires_at"] == int(identity.clock.now().timestamp()) + 3600
    user = session["user"]
    assert (user["aud"], user["role"]) == ("authenticated", "authenticated")
    assert user["last_sign_in_at"] == user["created_at"] == user["email_confirmed_at"]
    assert user["identities"][0]["identity_data"]["email"] == "a@example.com"
    assert (await identity.user(session)).json() == user


async def test_an_address_can_sign_up_once(identity: Identity) -> None:
    await identity.sign_up("ada@example.com")
    body = {"email": "ADA@example.com", "password": "another horse"}
    answer = await identity.client.post("/signup", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "user_already_exists")


async def test_of_many_sign_ups_with_one_address_one_succeeds(identity: Identity) -> None:
    body = {"email": "a@example.com", "password": "correct horse"}
    answers = await asyncio.gather(*(identity.client.post("/signup", json=body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, *[422] * 5]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "a@example.com", "password": "short"}, 422, "weak_password"),
        ({"email": "a@example.com", "password": ""}, 400, "validation_failed"),
        ({"email": "nowhere", "password": "correct horse"}, 400, "validation_failed"),
        ({"password": "correct horse"}, 422, "anonymous_provider_disabled"),
        ({"phone": "+491234", "password": "correct horse"}, 400, "phone_provider_disabled"),
        ({"email": 7, "password": "correct horse"}, 400, "validation_failed"),
        (
            {"email": "a@example.com", "password": "correct horse", "data": {"a": "b" * 5_000}},
            400,
            "validation_failed",
        ),
    ],
)
async def test_an_invalid_sign_up_is_refused(
    identity: Identity, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await identity.client.post("/signup", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_no_error_repeats_what_was_sent(identity: Identity) -> None:
    body = {"email": ["planted"], "password": {"planted": "planted"}}
    answer = await identity.client.post("/signup", json=body)
    assert answer.json()["message"] == "The request is not valid: email, password"


async def test_a_weak_password_is_refused_with_reasons_in_both_formats(identity: Identity) -> None:
    body = {"email": "a@example.com", "password": "short"}
    new = await identity.client.post("/signup", json=body)
    assert new.headers["x-supabase-api-version"] == "2024-01-01"
    message = "Password should be at least 8 characters."
    reasons = {"reasons": ["length"]}
    assert new.json() == {"code": "weak_password", "message": message, "weak_password": reasons}
    old = await identity.client.post(
        "/signup", json=body, headers={"x-supabase-api-version": "rubbish"}
    )
    assert "x-supabase-api-version" not in old.headers
    assert old.json() == {
        "code": 422,
        "error_code": "weak_password",
        "msg": message,
        "weak_password": reasons,
    }


async def test_a_wrong_password_and_an_unknown_address_look_the_same(identity: Identity) -> None:
    await identity.sign_up()
    wrong = await identity.sign_in(password="wrong horse")
    unknown = await identity.sign_in("unknown@example.com")
    nonsense = await identity.sign_in("no address")
    expected = (400, {"code": "invalid_credentials", "message": "Invalid login credentials"})
    for answer in (wrong, unknown, nonsense):
        assert (answer.status_code, answer.json()) == expected


@pytest.mark.parametrize(
    ("grant", "body", "code"),
    [
        ("password", {}, "validation_failed"),
        ("password", {"phone": "+491234"}, "phone_provider_disabled"),
        ("refresh_token", {}, "validation_failed"),
        ("refresh_token", {"refresh_token": "unheard-of"}, "refresh_token_not_found"),
        ("magic", {}, "invalid_credentials"),
    ],
)
async def test_an_invalid_grant_is_refused(
    identity: Identity, grant: str, body: dict[str, str], code: str
) -> None:
    answer = await identity.token(grant, **body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_parallel_refreshes_return_the_same_token(identity: Identity) -> None:
    session = await identity.sign_up()
    answers: list[httpx.Response] = await asyncio.gather(
        *(identity.refresh(session["refresh_token"]) for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


async def test_a_refreshed_session_is_the_same_session(identity: Identity) -> None:
    session = await identity.sign_up()
    renewed = (await identity.refresh(session["refresh_token"])).json()
    assert (await identity.sign_out(renewed, "local")).status_code == 204
    assert (await identity.user(session)).json()["code"] == "session_not_found"


async def test_the_scope_selects_which_sessions_end(identity: Identity) -> None:
    first = await identity.sign_up()
    second, third = [(await identity.sign_in()).json() for _ in range(2)]
    other_user = await identity.sign_up("b@example.com")
    assert (await identity.sign_out(first, "others")).status_code == 204
    alive = [
        (await identity.user(session)).status_code for session in (first, second, third, other_user)
    ]
    assert alive == [200, 403, 403, 200]
    answer = await identity.sign_out(first, "everywhere")
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")
    assert (await identity.sign_out(first, "local")).status_code == 204
    assert (await identity.user(first)).status_code == 403


async def test_a_banned_user_is_refused_everywhere(identity: Identity) -> None:
    session = await identity.sign_up()
    await identity.execute("UPDATE auth.users SET banned_until = 'infinity'::timestamptz")
    answers = [
        await identity.sign_in(),
        await identity.refresh(session["refresh_token"]),
        await identity.user(session),
    ]
    assert {answer.json()["code"] for answer in answers} == {"user_banned"}
    # A ban is not disclosed without the password.
    wrong = await identity.sign_in(password="wrong horse")
    assert wrong.json()["code"] == "invalid_credentials"


async def test_a_deleted_user_is_refused(identity: Identity) -> None:
    session = await identity.sign_up()
    await identity.execute("DELETE FROM auth.users")
    assert (await identity.user(session)).json()["code"] == "session_not_found"
    answer = await identity.refresh(session["refresh_token"])
    assert answer.json()["code"] == "refresh_token_not_found"


async def test_metadata_is_merged_and_null_removes(identity: Identity) -> None:
    session = await identity.sign_up(data={"name": "Ada", "pet": "cat"})
    answer = await identity.update(session, data={"pet": None, "town": {"name": "London"}})
    expected = {"name": "Ada", "town": {"name": "London"}}
    assert answer.json()["user_metadata"] == expected
    renewed = (await identity.refresh(session["refresh_token"])).json()
    assert renewed["user"]["user_metadata"] == expected


async def test_a_user_cannot_set_their_own_plan(identity: Identity) -> None:
    change: dict[str, Any] = {
        "app_metadata": {"plan": "ENTERPRISE", "role": "operator"},
        "role": "service_role",
    }
    session = await identity.sign_up(**change)
    changed = (await identity.update(session, **change)).json()
    assert changed["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert changed["role"] == "authenticated"


async def test_a_new_password_ends_the_other_sessions(identity: Identity) -> None:
    session = await identity.sign_up()
    other = (await identity.sign_in()).json()
    assert (await identity.update(session, password="battery staple")).status_code == 200
    assert (await identity.user(session)).status_code == 200
    assert (await identity.user(other)).status_code == 403
    assert (await identity.sign_in()).status_code == 400
    assert (await identity.sign_in(password="battery staple")).status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"password": "short"}, 422, "weak_password"),
        ({"password": "correct horse"}, 422, "same_password"),
        ({"email": "B@example.com"}, 422, "email_exists"),
        ({"email": "nowhere"}, 400, "validation_failed"),
        ({"data": {"much": "a" * 5_000}}, 400, "validation_failed"),
    ],
)
async def test_an_invalid_change_is_refused(
    identity: Identity, change: dict[str, Any], status: int, code: str
) -> None:
    await identity.sign_up("b@example.com")
    session = await identity.sign_up()
    answer = await identity.update(session, **change)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await identity.user(session)).json()["email"] == "a@example.com"


async def test_a_new_address_replaces_the_old_one(identity: Identity) -> None:
    session = await identity.sign_up()
    assert (await identity.update(session, email="New@Example.com")).status_code == 200
    assert (await identity.sign_in("new@example.com")).status_code == 200
    assert (await identity.sign_in("a@example.com")).status_code == 400


@pytest.mark.parametrize("key", [{}, {"apikey": ""}, {"apikey": "another"}, {"apikey": "é"}])
async def test_only_the_public_keys_need_no_project_key(
    identity: Identity, key: dict[str, str]
) -> None:
    del identity.client.headers["apikey"]
    headers = {name.encode(): value.encode() for name, value in key.items()}
    for path in ("/user", "/settings", "/health"):
        answer = await identity.client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "no_authorization")
    assert (await identity.client.get("/.well-known/jwks.json")).status_code == 200


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", "Basic YTpi"])
async def test_a_missing_token_is_unauthorized(identity: Identity, given: str) -> None:
    answer = await identity.client.get("/user", headers={"authorization": given})
    assert (answer.status_code, answer.json()["code"]) == (401, "no_authorization")


async def test_health_and_settings_describe_the_server(identity: Identity) -> None:
    assert (await identity.client.get("/health")).json()["name"] == "msaas.identity"
    settings = (await identity.client.get("/settings")).json()
    assert settings["external"] == {"email": True, "phone": False, "anonymous_users": False}
    assert settings["mailer_autoconfirm"] is True


async def test_requests_from_another_origin_are_allowed(identity: Identity) -> None:
    origin = {"origin": "http://localhost:3000"}
    requested = {
        "access-control-request-method": "PUT",
        "access-control-request-headers": "apikey, authorization, x-supabase-api-version",
    }
    preflight = await identity.client.options("/user", headers={**origin, **requested})
    assert preflight.status_code == 200
    assert "apikey" in preflight.headers["access-control-allow-headers"]
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    refused = await identity.client.get("/user", headers=origin)
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "x-supabase-api-version" in refused.headers["access-control-expose-headers"]


async def test_the_eleventh_sign_in_of_a_minute_is_refused(
    start: StartServer, settings: Settings
) -> None:
    identity = await start(settings.model_copy(update={"sign_ins_per_minute": 10}))
    session = await identity.sign_up()
    for _ in range(9):
        assert (await identity.sign_in(password="wrong horse")).status_code == 400
    refused = await identity.sign_in()
    assert (refused.status_code, refused.json()["code"]) == (429, "over_request_rate_limit")
    assert refused.headers["retry-after"] == "6"
    assert (await identity.refresh(session["refresh_token"])).status_code == 200
    # A forwarding header does not change the address.
    identity.client.headers["x-forwarded-for"] = "192.0.2.99"
    assert (await identity.sign_in()).status_code == 429
    neighbour = await identity.from_address("192.0.2.2")
    body = {"email": "b@example.com", "password": "correct horse"}
    assert (await neighbour.post("/signup", json=body)).status_code == 200
    await identity.clock.advance(6)
    assert (await identity.sign_in()).status_code == 200


async def test_grants_are_counted_by_outcome(identity: Identity) -> None:
    await identity.sign_up()
    await identity.sign_in(password="wrong horse")
    shown = identity.metrics.render().decode()
    assert "msaas_identity_grants_total{" in shown
    assert 'grant="password",outcome="invalid_credentials"' in shown.replace(
        'environment="test",', ""
    )
