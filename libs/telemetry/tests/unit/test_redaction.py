"""Planted secrets are masked in every format, and ordinary text is unchanged."""

import io
import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Final
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.telemetry import get_logger, redact, redact_text

Lines = Callable[[], list[dict[str, object]]]

JWT: Final = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmVkLXBsYW50ZWQ"

PEM: Final = " PRIVATE " + "KEY-----\n"  # in two parts, so that secret scanners ignore this file
# Each text holds the word PLANTED (or a number) that must not be in the output.
PLANTED: Final = {
    "jwt": JWT,
    "bearer": "Authorization: Bearer PLANTED",
    "bearer in a sentence": "upstream said no to bearer PLANTED-token-x1",
    "basic": "Basic cGxhbnRlZDpQTEFOVEVE",
    "digest header": "Authorization: Digest username=PLANTED response=PLANTED",
    "stripe live": "sk_" + "live_51PLANTED",
    "stripe test": "using sk_test_PLANTED now",
    "stripe restricted": "rk_live_PLANTED",
    "stripe webhook": "whsec_PLANTED",
    "own api key": "msaas_live_4f9aPLANTED8c1d2e3f4a5b6c7d",
    "own api key without a mode": "msaas_Zk3PLANTEDq8v1Wn5x7y9aBcDe",
    "openai": "sk-proj-PLANTEDabcdefghijk",
    "anthropic": "sk-ant-api03-PLANTED-abcdef",
    "github": "ghp_PLANTED0123456789abcd",
    "github fine-grained": "github_pat_PLANTED",
    "slack": "xoxb-PLANTED-1",
    "aws": "AKIAPLANTED000000000",
    "google": "AIzaSyPLANTED_0123456789abc",
    "supabase": "sb_secret_PLANTED",
    "pem": "-----BEGIN EC" + PEM + "PLANTED\nPLANTED\n-----END EC PRIVATE KEY-----",
    "cut pem": "-----BEGIN" + PEM + "PLANTED",
    "cookie header": "Cookie: sb-app-auth-token=PLANTED; theme=PLANTED",
    "set-cookie header": "set-cookie: sid=PLANTED; HttpOnly",
    "postgres dsn": "postgresql://jobs:PLANTED@db:5432/app",
    "dsn with odd characters": "postgresql://jobs:PLA@N/TED?#PLANTED@db/app",
    "redis dsn": "cannot reach redis://:PLANTED@redis:6379/0",
    "user without password": "https://PLANTED@github.com/x",
    "libpq": "host=db user=jobs password='PLANTED PLANTED' dbname=app",
    "keyword": "connect(password=PLANTED, host=db)",
    "quoted repr": "Settings(stripe_api_key='PLANTED', batch=3)",
    "escaped quote": 'password: "PLAN\\"PLANTED"',
    "json text": json.dumps({"password": "PLANTED PLANTED"}),
    "json in json": json.dumps(json.dumps({"refresh_token": "PLANTED PLANTED"})),
    "python dict": str({"client_secret": "PLANTED", "n": 1}),
    "headers as pairs": str([(b"cookie", b"PLANTED=PLANTED"), (b"x-api-key", b"PLANTED")]),
    "query": "GET /callback?code=PLANTED&state=PLANTED HTTP/1.1",
    "query without a name": "https://example.com/reset?PLANTED",
    "query of a host": "https://example.com?PLANTED",
    "bare query": "?code=PLANTED",
    "fragment": "https://example.com/#access_token=PLANTED&type=x",
    "signed url": "https://s3.example.com/b/k.png?X-Amz-Signature=PLANTED&X-Amz-Expires=60",
    "form": "grant_type=password&password=PLANTED&username=x",
    "e-mail": "sent to PLANTED@example.com.",
    "e-mail with a tag": "PLANTED.person+tag@mail.example.co.uk",
    "e-mail in a url": "/users/PLANTED%40example.com/jobs",
    "e-mail abroad": "PLANTED@bücher.example",
    "card": "paid with 4242424242424242",
    "card in groups": "4242 4242 4242 4242, exp 12/30",
    "card with dashes": "card-4242-4242-4242-4242",
    "amex": "378282246310005",
    "otp": "otp=PLANTED",
    "security code": "cvc: PLANTED",
}  # fmt: skip
SIGNS: Final = ("PLANTED", "eyJ", "cGxh", "42424242", "4242 4242", "4242-4242", "378282246")

ORDINARY: Final = (
    "job_started",
    "0192f3a4-7c1e-7b2a-9d3e-4f5a6b7c8d9e",
    "42424242-4242-4242-4242-424242424242",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "2026-11-21T05:39:41.035027Z",
    "1795238400000-0",
    "1795238400000",
    "1795238400123456789",
    "msaas:production:stream:jobs.browser.v1",
    "msaas_job_processing_duration_seconds",
    "navigate_and_extract_text",
    "https://example.com:8443/docs/page.html",
    "/api/v1/jobs/0192f3a4-7c1e-7b2a-9d3e-4f5a6b7c8d9e/status",
    "select id, status from jobs.jobs where user_id = $1 and finished_at is null",
    "is it done? no",
    "the key was rotated, the token expired, the password is too short",
    "the Basic plan, the basic idea, a Basic Membership",
    "tokenizer loaded with 32000 tokens",
    "task-runner took 12.5 s",
    "disk usage at 93 %, 3 of 4 attempts",
    "jobs-worker-host1-4242-1795238400",
    "Zürich, 東京, naïve café ☕",
)


WRAPPINGS: Final[Mapping[str, Callable[[str], object]]] = {
    "bare": str,
    "sentence": lambda text: f"it failed: {text}",
    "field": lambda text: {"detail": text},
    "nested": lambda text: {"outer": [{"inner": (text, {text})}]},
    "key": lambda text: {text: 1},
    "bytes": str.encode,
    "exception": RuntimeError,
    "at the cut": lambda text: "x" * 3_990 + " " + text,
}


@pytest.mark.parametrize("text", PLANTED.values(), ids=PLANTED.keys())
@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS.keys())
def test_a_planted_secret_is_masked(text: str, wrap: Callable[[str], object]) -> None:
    kept = orjson.dumps(redact(wrap(text))).decode()
    assert not [sign for sign in SIGNS if sign in kept], kept


TELLING_NAMES: Final = (
    *("password", "db_password", "Authorization", "cookie", "Set-Cookie", "apiKey", "x-api-key"),
    *("accessToken", "refresh_token", "stripe_webhook_secret", "credentials", "private_key"),
    *("email", "user_email", "e-mail", "card_number", "pan", "cvc", "otp", "query_string"),
    *("Stripe-Signature", "tokens", "passphrase", "pwd", "pin", "user_pin", "access-key"),
)


@pytest.mark.parametrize("text", PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_secret_is_in_no_line(text: str, stream: io.BytesIO) -> None:
    get_logger().info("page_opened", detail=text, nested=[{text: text}])
    logging.getLogger("uvicorn.error").warning("it failed: %s", text)
    get_logger().error("page_failed", exc_info=RuntimeError(text))
    written = stream.getvalue().decode()
    assert written.count("\n") == 3
    assert not [sign for sign in SIGNS if sign in written], written


@pytest.mark.parametrize("name", TELLING_NAMES)
def test_a_field_with_a_sensitive_name_is_hidden_in_a_line(name: str, lines: Lines) -> None:
    get_logger().info("user_seen", **{name: "x1"}, fields={name: ["x1"]})
    assert lines()[0][name] == "[redacted]"
    assert lines()[0]["fields"] == {name: "[redacted]"}


@pytest.mark.parametrize("name", TELLING_NAMES)
@pytest.mark.parametrize("value", ["PLANTED", ["PLANTED"], {"value": "PLANTED"}, b"PLANTED"])
def test_the_whole_value_of_a_sensitive_field_is_hidden(name: str, value: object) -> None:
    assert redact({"fields": {name: value}}) == {"fields": {name: "[redacted]"}}


def test_headers_given_as_pairs_are_hidden() -> None:
    headers = [(b"host", b"example.com"), (b"cookie", b"PLANTED"), ("x-api-key", "PLANTED")]
    assert redact(headers) == [
        ["host", "example.com"],
        ["cookie", "[redacted]"],
        ["x-api-key", "[redacted]"],
    ]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert redact_text(text) == text
    assert redact({"field": [text]}) == {"field": [text]}


def test_counts_and_flags_with_sensitive_names_are_unchanged() -> None:
    fields = {"input_tokens": 512, "token_seconds": 0.5, "email_verified": True, "cookie": None}
    assert redact(fields) == fields


class Mode(Enum):
    TOKEN = "Bearer PLANTED"


def test_the_value_of_an_enum_is_redacted() -> None:
    assert redact([Mode.TOKEN]) == ["Bearer [redacted]"]


def test_numbers_that_are_secrets_are_hidden() -> None:
    assert redact({"pin": 1234, "cvc": 123, "n": 4242424242424242, "at": 1795238400000}) == {
        "pin": "[redacted]",
        "cvc": "[redacted]",
        "n": "[redacted]",
        "at": 1795238400000,
    }


def test_json_values_keep_their_types() -> None:
    value = {
        "id": UUID(int=7),
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "n": 1,
        "x": 0.5,
        "ok": True,
    }
    assert redact(value) == value


def test_depth_width_and_length_are_bounded() -> None:
    endless: list[object] = []
    endless.append(endless)
    wide = {str(n): ["y" * 5_000] * 50 for n in range(10_000)}
    kept = orjson.dumps(redact([endless, wide, "x" * 1_000_000, 10**5_000]))
    assert len(kept) < 64_000
    assert b"[truncated]" in kept


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(json_values)
def test_any_output_is_json(value: object) -> None:
    assert orjson.dumps(redact(value))


@given(st.text(), st.text(alphabet="abcXYZ019", min_size=8), st.text())
def test_a_password_is_hidden_at_any_position(before: str, secret: str, after: str) -> None:
    hidden = redact_text(f"{before} password={secret}#mark {after}")
    assert f"{secret}#mark" not in hidden


@given(st.sampled_from("?@:/=&\"'\\-. aek_%{[(;,4"), st.integers(2_000, 4_000))
def test_long_runs_of_one_character_are_fast(character: str, length: int) -> None:
    assert isinstance(redact_text(f"token {character * length} secret"), str)


@given(st.uuids())
def test_a_uuid_is_not_a_card_number(identity: UUID) -> None:
    assert redact_text(f"job {identity}") == f"job {identity}"
