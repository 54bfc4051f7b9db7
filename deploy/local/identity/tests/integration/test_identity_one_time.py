"""Magic links, codes and recovery: each proof works once, for its owner, for its time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pytest
from authlib.common.security import generate_token
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from identity_support import PASSWORD, Identity, StartServer, bearer

from msaas.identity.adapters.oauth import create_challenge
from msaas.identity.domain.one_time import FLOW_LIFETIME, MAX_GUESSES, TOKEN_LIFETIME
from msaas.identity.settings import Settings

BACK = "http://127.0.0.1:3000/auth/callback?flow=7"


async def ask(
    identity: Identity, path: str = "/otp", email: str = "a@example.com", **body: object
) -> httpx.Response:
    query = {"redirect_to": str(body.pop("redirect_to", BACK))}
    return await identity.client.post(path, params=query, json={"email": email, **body})


async def read_message(identity: Identity, email: str = "a@example.com") -> dict[str, str]:
    headers = {"accept": "application/json"}
    answer = await identity.client.get("/outbox", headers=headers)
    assert answer.status_code == 200
    return next(item for item in answer.json()["items"] if item["email"] == email)


async def begin(identity: Identity, path: str = "/otp") -> tuple[str, str]:
    """Ask for a link as a client with PKCE does: the link and the verifier."""
    verifier = generate_token(48)
    challenge = create_challenge(verifier)
    pkce = {"code_challenge": challenge, "code_challenge_method": "s256"}
    answer = await ask(identity, path, **pkce)
    assert (answer.status_code, answer.json()) == (200, {})
    return (await read_message(identity))["link"], verifier


async def follow(identity: Identity, link: str) -> dict[str, list[str]]:
    answer = await identity.client.get(link, headers={"apikey": ""})
    assert answer.status_code == 303
    location = answer.headers["location"]
    assert location.startswith("http://127.0.0.1:3000/auth/callback?flow=7&")
    assert "access_token" not in location
    return parse_qs(urlsplit(location).query)


async def exchange(identity: Identity, code: str, verifier: str) -> httpx.Response:
    return await identity.token("pkce", auth_code=code, code_verifier=verifier)


def code_of(answer: httpx.Response) -> str:
    return answer.json()["code"]


async def test_a_magic_link_signs_a_new_user_in_once(identity: Identity) -> None:
    link, verifier = await begin(identity)
    assert (await identity.sign_in()).status_code == 400  # nobody exists yet
    code = (await follow(identity, link))["code"][0]
    signed_in = await exchange(identity, code, verifier)
    assert signed_in.status_code == 200
    session = signed_in.json()
    assert session["user"]["email"] == "a@example.com"
    assert (await identity.user(session)).status_code == 200
    assert (await identity.refresh(session["refresh_token"])).status_code == 200
    assert code_of(await exchange(identity, code, verifier)) == "flow_state_not_found"
    assert (await follow(identity, link))["error_code"] == ["otp_expired"]


async def test_a_recovery_sets_a_new_password_and_ends_other_sessions(identity: Identity) -> None:
    before = await identity.sign_up()
    link, verifier = await begin(identity, "/recover")
    code = (await follow(identity, link))["code"][0]
    session = (await exchange(identity, code, verifier)).json()
    assert (await identity.update(session, password="another horse")).status_code == 200
    assert (await identity.sign_in(password=PASSWORD)).status_code == 400
    assert (await identity.sign_in(password="another horse")).status_code == 200
    assert (await identity.user(before)).status_code == 403
    assert (await identity.user(session)).status_code == 200


async def test_a_recovery_does_not_reveal_who_has_an_account(identity: Identity) -> None:
    await identity.sign_up("known@example.com")
    answers = [
        await ask(identity, "/recover", email) for email in ("known@example.com", "b@example.com")
    ]
    assert answers[0].content == answers[1].content == b"{}"
    outbox = await identity.client.get("/outbox", headers={"accept": "application/json"})
    assert [item["email"] for item in outbox.json()["items"]] == ["known@example.com"]
    refused = await ask(identity, email="b@example.com", create_user=False)
    assert code_of(refused) == "otp_disabled"


async def test_a_client_without_pkce_verifies_the_secret_or_the_code(identity: Identity) -> None:
    await ask(identity)
    message = await read_message(identity)
    query = parse_qs(urlsplit(message["link"]).query)
    assert message["link"].startswith(BACK)
    proof = {"type": "magiclink", "token_hash": query["token_hash"][0]}
    answers = await asyncio.gather(*(identity.client.post("/verify", json=proof) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 403, 403, 403, 403]
    await ask(identity)
    by_code = {"type": "email", "email": "A@example.com"}
    code = (await read_message(identity))["code"]
    wrong_kind = {**by_code, "type": "recovery", "token": code}
    assert code_of(await identity.client.post("/verify", json=wrong_kind)) == "otp_expired"
    answer = await identity.client.post("/verify", json={**by_code, "token": code})
    assert answer.status_code == 200
    assert code_of(await identity.client.post("/verify", json={**by_code, "token": code})) == (
        "otp_expired"
    )


async def test_guesses_end_the_code_and_not_the_link(identity: Identity) -> None:
    link, verifier = await begin(identity)
    code = (await read_message(identity))["code"]
    body = {"type": "email", "email": "a@example.com"}
    wrong = "000000" if code != "000000" else "111111"
    for _ in range(MAX_GUESSES):
        await identity.client.post("/verify", json={**body, "token": wrong})
    assert code_of(await identity.client.post("/verify", json={**body, "token": code})) == (
        "otp_expired"
    )
    found = await follow(identity, link)
    assert (await exchange(identity, found["code"][0], verifier)).status_code == 200


async def test_a_banned_user_gets_no_session(identity: Identity) -> None:
    await identity.sign_up()
    await identity.execute("UPDATE auth.users SET banned_until = 'infinity'")
    link, verifier = await begin(identity)
    found = await follow(identity, link)
    assert code_of(await exchange(identity, found["code"][0], verifier)) == "user_banned"


class FlowModel:
    """One address and its flow: when the link and the code were made, or None."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.link, self.verifier, self.code = "", "", "none"
        self.link_made: datetime | None = None
        self.code_made: datetime | None = None
        self.sessions = self.messages = 0

    async def message(self) -> None:
        """Ask again: the new message replaces the last one."""
        before = self.link
        self.link, self.verifier = await begin(self.identity)
        self.link_made = self.identity.clock.now()
        self.messages += 1
        if before:
            assert "error" in await follow(self.identity, before)

    async def follow(self) -> None:
        now = self.identity.clock.now()
        works = self.link_made is not None and now < self.link_made + TOKEN_LIFETIME
        found = await follow(self.identity, self.link)
        assert ("code" in found) is works
        if works:
            self.code_verifier, self.code = self.verifier, found["code"][0]
            self.link_made, self.code_made = None, now

    async def exchange(self) -> None:
        await self._exchange(getattr(self, "code_verifier", "v" * 43), "")

    async def exchange_wrongly(self) -> None:
        await self._exchange(generate_token(48), "bad_code_verifier")

    async def _exchange(self, verifier: str, expected: str) -> None:
        answer = await exchange(self.identity, self.code, verifier)
        if self.code_made is None:
            expected = "flow_state_not_found"
        elif self.identity.clock.now() >= self.code_made + FLOW_LIFETIME:
            expected = "flow_state_expired"
        self.code_made = None
        assert answer.json().get("code", "") == expected
        self.sessions += answer.status_code == 200

    async def wait(self) -> None:
        await self.identity.clock.advance(FLOW_LIFETIME.total_seconds() + 1)

    async def wait_long(self) -> None:
        await self.identity.clock.advance(TOKEN_LIFETIME.total_seconds())


STEPS: Mapping[str, Callable[[FlowModel], Awaitable[None]]] = {
    "message": FlowModel.message,
    "follow": FlowModel.follow,
    "exchange": FlowModel.exchange,
    "exchange wrongly": FlowModel.exchange_wrongly,
    "wait": FlowModel.wait,
    "wait long": FlowModel.wait_long,
}


@hypothesis_settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=8))
async def test_a_flow_gives_at_most_one_session_in_time_to_its_verifier(
    identity: Identity, steps: list[str]
) -> None:
    model = FlowModel(identity)
    await model.message()
    for step in steps:
        await STEPS[step](model)
    assert model.sessions <= model.messages


@pytest.mark.parametrize(
    ("redirect_to", "host"),
    [
        ("https://evil.example/x", "127.0.0.1:3000"),
        ("http://localhost:4000/x", "localhost:4000"),
        ("http://127.0.0.1@evil.example/", "127.0.0.1:3000"),
        ("http://evil@127.0.0.1/", "127.0.0.1:3000"),
        (r"http://127.0.0.1\@evil.example/", "127.0.0.1:3000"),
        ("javascript:alert(1)//127.0.0.1", "127.0.0.1:3000"),
        ("//evil.example", "127.0.0.1:3000"),
    ],
)
async def test_links_lead_to_this_machine_or_site(
    identity: Identity, redirect_to: str, host: str
) -> None:
    await ask(identity, redirect_to=redirect_to)
    assert urlsplit((await read_message(identity))["link"]).netloc == host
    followed = await identity.client.get(
        "/verify", params={"token": "x", "redirect_to": redirect_to}
    )
    assert urlsplit(followed.headers["location"]).netloc == host


async def test_only_a_challenge_of_s256_begins_a_flow(identity: Identity) -> None:
    for challenge, method in (("v" * 43, "plain"), ("short", "s256"), ("v" * 43, None)):
        answer = await ask(identity, code_challenge=challenge, code_challenge_method=method)
        assert code_of(answer) == "validation_failed"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
        {"origin": "https://evil.example"},
        {"host": "evil.example"},
    ],
)
async def test_the_outbox_is_for_this_machine_only(
    identity: Identity, headers: Mapping[str, str]
) -> None:
    await ask(identity)
    answer = await identity.client.get("/outbox", headers=headers)
    assert answer.status_code == 403
    assert "code" not in answer.text.replace('"code"', "")


async def test_the_outbox_is_a_page_without_scripts(identity: Identity) -> None:
    await ask(identity, email="a'&b@example.com")
    opened = {"site": "same-site", "mode": "navigate", "dest": "document"}
    headers = {"apikey": "", **{f"sec-fetch-{name}": value for name, value in opened.items()}}
    page = await identity.client.get("/outbox", headers=headers)
    assert page.headers["content-type"].startswith("text/html")
    assert "a&#x27;&amp;b@example.com" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"


async def test_old_messages_and_proofs_are_removed(identity: Identity) -> None:
    await ask(identity, email="old@example.com")
    await identity.clock.advance(TOKEN_LIFETIME.total_seconds() + 1)
    await ask(identity)
    outbox = await identity.client.get("/outbox", headers={"accept": "application/json"})
    assert [item["email"] for item in outbox.json()["items"]] == ["a@example.com"]


async def test_messages_and_guesses_are_limited(start: StartServer, settings: Settings) -> None:
    identity = await start(settings.model_copy(update={"sign_ins_per_minute": 3}))
    statuses = [(await ask(identity)).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    guess = {"type": "email", "email": "a@example.com", "token": "000000"}
    assert (await identity.client.post("/verify", json=guess)).status_code == 429


async def test_the_server_describes_itself_to_oauth_clients(identity: Identity) -> None:
    answer = await identity.client.get("/.well-known/openid-configuration", headers={"apikey": ""})
    described = answer.json()
    # A library's check demands the https of a real project.
    secure = orjson.loads(answer.content.replace(b"http:", b"https:"))
    AuthorizationServerMetadata(secure).validate()
    issuer = described["issuer"]
    assert issuer == "http://identity/auth/v1"
    for name in ("jwks_uri", "authorization_endpoint"):
        path = described[name].removeprefix(issuer)
        served = await identity.client.get(path, headers={"apikey": ""})
        assert served.status_code == (200 if name == "jwks_uri" else 400)
    session = await identity.sign_up()
    user = await identity.client.get(
        described["userinfo_endpoint"].removeprefix(issuer), headers=bearer(session)
    )
    assert user.json()["id"] == session["user"]["id"]
