"""Which tokens are accepted, and that a refusal discloses nothing else."""

import asyncio
import base64
import hmac
import json
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from msaas.auth import JwksUnavailable, TokenExpired, TokenVerifier, Unauthenticated
from msaas.auth import verifier as verifier_module
from msaas.kernel import DependencyUnavailable
from msaas.telemetry import Metrics, shutdown_tracing, start_tracing
from msaas.testing import FakeClock

ISSUER = "https://project.example.com/auth/v1"
NOW = int(FakeClock().now().timestamp())
EC = ECKey.generate_key("P-256", {"kid": "ec"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
FOREIGN = ECKey.generate_key("P-256", {"kid": "foreign"})
SUBJECT = uuid4()
EVIL = "https://evil.example.com/keys"
SECRET = "planted-secret"
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "authenticated",
    "sub": str(SUBJECT),
    "role": "authenticated",
    "email": f"{SECRET}@example.com",
    "iat": NOW,
    "exp": NOW + 3600,
}


def encode(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(payload: object = CLAIMS, key: ECKey | RSAKey = EC, **header: Any) -> str:
    """Sign any payload under any header; `...` omits a field."""
    algorithm = "ES256" if isinstance(key, ECKey) else "RS256"
    signed = join({"alg": algorithm, "kid": key.kid, "typ": "JWT"} | header, payload)
    return f"{signed}.{encode(JWSRegistry.algorithms[algorithm].sign(signed.encode(), key))}"


def sign_with_public_key(algorithm: str) -> str:
    """Use the public key as a shared secret."""
    signed = join({"alg": algorithm, "kid": "ec"}, CLAIMS)
    return f"{signed}.{encode(hmac.digest(EC.as_pem(private=False), signed.encode(), 'sha256'))}"


def join(header: dict[str, Any], payload: object) -> str:
    present = {name: value for name, value in header.items() if value is not ...}
    return f"{encode(present)}.{encode(payload)}"


class Publisher:
    def __init__(self) -> None:
        self.keys: list[ECKey | RSAKey] = [EC, RSA]
        self.fetches = 0

    async def fetch(self) -> bytes:
        self.fetches += 1
        if not self.keys:
            raise DependencyUnavailable(target="jwks")
        return json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}).encode()


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("web", "test")


@pytest_asyncio.fixture
async def verifier(
    publisher: Publisher, metrics: Metrics, fake_clock: FakeClock
) -> AsyncIterator[TokenVerifier]:
    made = TokenVerifier(
        "https://project.example.com/keys",
        ISSUER,
        "authenticated",
        metrics=metrics,
        clock=fake_clock,
        fetch=publisher.fetch,
    )
    yield made
    await made.close()


@pytest.fixture
def spans() -> Iterator[Callable[[], list[str]]]:
    exporter = InMemorySpanExporter()
    start_tracing("web", "test", exporter=exporter, sample_ratio=1.0)

    def names() -> list[str]:
        shutdown_tracing()
        return [made.name for made in exporter.get_finished_spans()]

    yield names
    shutdown_tracing()


@pytest.mark.parametrize("key", [EC, RSA], ids=["ES256", "RS256"])
async def test_a_valid_token_identifies_its_user(
    verifier: TokenVerifier, key: ECKey | RSAKey
) -> None:
    found = await verifier.verify(sign(key=key))
    assert (found.subject, found.expires_at) == (SUBJECT, NOW + 3600)


BAD: dict[str, str] = {
    "alg none": f"{encode({'alg': 'none', 'kid': 'ec'})}.{encode(CLAIMS)}.",
    "alg none with a signature": sign(alg="none"),
    "no alg": sign(alg=...),
    "HS256 with the public key": sign_with_public_key("HS256"),
    "the public key's HMAC as ES256": sign_with_public_key("ES256"),
    "ES256 said to be RS256": sign(alg="RS256"),
    "an RSA key's id": sign(kid="rsa"),
    "an RSA key's id and algorithm": sign(kid="rsa", alg="RS256"),
    "another hash": sign(alg="ES384"),
    "an alg that is a list": sign(alg=["ES256"]),
    "a foreign kid": sign(key=FOREIGN),
    "a foreign key under a known kid": sign(key=FOREIGN, kid="ec"),
    "no kid": sign(kid=...),
    "a kid that is a list": sign(kid=["ec"]),
    "jku": sign(jku=EVIL),
    "x5u": sign(x5u=EVIL),
    "x5c": sign(x5c=["MIIB"]),
    "jwk": sign(key=FOREIGN, jwk=FOREIGN.as_dict(private=False)),
    "crit": sign(crit=["exp"]),
    "crit b64": sign(crit=["b64"], b64=False),
    "an unheard-of header": sign(trust="me"),
    "a header that is a list": f"{encode(['alg', 'kid'])}.{encode(CLAIMS)}.{encode(b'x' * 64)}",
    "a header that is deep": f"{encode(b'[' * 2000)}.{encode(CLAIMS)}.{encode(b'x' * 64)}",
    "expired and foreign": sign(CLAIMS | {"exp": NOW - 9}, key=FOREIGN),
    "expired elsewhere": sign(CLAIMS | {"exp": NOW - 9, "iss": EVIL}),
    "future nbf": sign(CLAIMS | {"nbf": NOW + 900}),
    "future iat": sign(CLAIMS | {"iat": NOW + 900}),
    "wrong iss": sign(CLAIMS | {"iss": EVIL}),
    "wrong aud": sign(CLAIMS | {"aud": "other"}),
    "role anon": sign(CLAIMS | {"role": "anon"}),
    "anonymous": sign(CLAIMS | {"is_anonymous": True}),
    "claims that are a list": sign([CLAIMS]),
    "claims that are no JSON": sign(b"}"),
    "claims that are not UTF-8": sign(b'{"sub": "\xff"}'),
    "no claims": sign(b""),
    "too large": sign(CLAIMS | {"user_metadata": {"name": "x" * 8192}}),
    "two parts": sign().rpartition(".")[0],
    "four parts": f"{sign()}.{encode(b'x')}",
    "padded": f"{sign()}==",
    "cut": sign()[:-4],
    "not ASCII": sign().replace("e", "é", 1),
    "half a surrogate pair": "\ud800",
    "words": "open sesame",
    "nothing": "",
}


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_token_learns_nothing_and_leaves_nothing(
    verifier: TokenVerifier, caplog: pytest.LogCaptureFixture, bad: str
) -> None:
    with capture_logs() as logs, pytest.raises(Unauthenticated) as raised:
        await verifier.verify(BAD[bad])
    error = raised.value
    assert type(error) is Unauthenticated
    assert (str(error), error.context) == (Unauthenticated.default_message, {})
    output = "".join(traceback.format_exception(error)) + str(logs) + caplog.text
    assert SECRET not in output
    assert BAD[bad][:200] not in output or not BAD[bad]


async def test_an_invalid_token_stays_invalid_and_is_not_cached(
    verifier: TokenVerifier, publisher: Publisher, fake_clock: FakeClock
) -> None:
    early = sign(CLAIMS | {"nbf": NOW + 60})
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await verifier.verify(early)
    await fake_clock.advance(60)
    assert await verifier.verify(early)
    assert publisher.fetches == 1


async def test_cached_and_uncached_tokens_expire_on_time(
    verifier: TokenVerifier, fake_clock: FakeClock
) -> None:
    remembered, new = sign(), sign(CLAIMS | {"session_id": "other"})
    await fake_clock.advance(3599)
    await verifier.verify(remembered)
    await fake_clock.advance(1)
    for token in (remembered, remembered, new):
        with pytest.raises(TokenExpired):
            await verifier.verify(token)


async def test_a_cached_token_is_refused_without_its_key(
    verifier: TokenVerifier, publisher: Publisher, fake_clock: FakeClock
) -> None:
    by_ec, by_rsa = sign(), sign(key=RSA)
    for token in (by_ec, by_rsa):
        await verifier.verify(token)
    publisher.keys = [RSA]
    await fake_clock.advance(300)
    await verifier.verify(by_rsa)
    await fake_clock.advance(1)
    assert await verifier.verify(by_rsa)
    with pytest.raises(Unauthenticated):
        await verifier.verify(by_ec)


async def test_a_cached_token_is_refused_when_the_keys_are_too_old(
    verifier: TokenVerifier, publisher: Publisher, fake_clock: FakeClock
) -> None:
    token = sign(CLAIMS | {"exp": NOW + 9000})
    await verifier.verify(token)
    publisher.keys = []
    await fake_clock.advance(3599)
    await verifier.verify(token)
    await fake_clock.advance(10)
    verification = asyncio.create_task(verifier.verify(token))
    await fake_clock.advance(1)
    with pytest.raises(JwksUnavailable) as raised:
        await verification
    assert raised.value.context == {"target": "jwks"}
    with pytest.raises(JwksUnavailable):
        await verifier.ping()


async def test_a_ping_checks_the_keys_and_uses_up_no_cool_down(
    verifier: TokenVerifier, publisher: Publisher, fake_clock: FakeClock
) -> None:
    publisher.keys = [RSA]
    await verifier.ping()
    for _ in range(10):
        await fake_clock.advance(1)
        await verifier.ping()
    publisher.keys = [EC, RSA]
    assert await verifier.verify(sign())
    assert publisher.fetches == 2


async def test_only_an_uncached_token_makes_a_span(
    verifier: TokenVerifier, spans: Callable[[], list[str]]
) -> None:
    for _ in range(5):
        await verifier.verify(sign(CLAIMS | {"session_id": "same"}, key=RSA))
    assert spans() == ["auth.verify"]


async def test_the_least_recently_used_token_is_evicted_first(
    verifier: TokenVerifier, spans: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier_module, "MAX_CACHED_ENTRIES", 2)
    first, second, third = (sign(CLAIMS | {"session_id": str(n)}) for n in range(3))
    for token in (first, second, first, third, first):
        await verifier.verify(token)
    await verifier.verify(second)
    assert len(spans()) == 4


async def test_checks_are_counted_by_what_came_of_them(
    verifier: TokenVerifier, publisher: Publisher, metrics: Metrics, fake_clock: FakeClock
) -> None:
    def counts(name: str) -> dict[str, float]:
        return {
            result: metrics.registry.get_sample_value(
                name, {"result": result, "service": "web", "environment": "test"}
            )
            or 0
            for result in ("valid", "invalid", "expired", "unavailable")
        }

    token = sign()
    for credentials in (token, token, BAD["jku"], sign(CLAIMS | {"exp": NOW - 9})):
        await asyncio.gather(verifier.verify(credentials), return_exceptions=True)
    publisher.keys = []
    await fake_clock.advance(3601)
    verification = asyncio.gather(verifier.verify(token), return_exceptions=True)
    await fake_clock.advance(1)
    await verification
    expected = {"valid": 2, "invalid": 1, "expired": 1, "unavailable": 1}
    assert counts("msaas_jwt_validation_total") == expected
    assert counts("msaas_jwt_validation_duration_seconds_count") == expected


async def test_without_a_clock_of_its_own_it_is_now() -> None:
    verifier = TokenVerifier(
        "", ISSUER, "authenticated", metrics=Metrics("web", "test"), fetch=Publisher().fetch
    )
    far = int((FakeClock().now() + timedelta(days=36_500)).timestamp())
    assert (await verifier.verify(sign(CLAIMS | {"exp": far}))).expires_at == far
    await verifier.close()


shared_by_examples = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
odd = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.text(max_size=5), max_size=2)
    | st.sampled_from(["ec", "rsa", "ES256", "RS256", "none", "HS256", ["exp"]])
)
header_names = st.sampled_from(
    ["alg", "kid", "typ", "cty", "jku", "jwk", "x5u", "x5c", "x5t", "crit", "b64", "zip", "enc"]
)


@shared_by_examples
@given(header=st.dictionaries(header_names, odd, max_size=3))
async def test_a_well_signed_token_under_any_header_is_plain_or_refused(
    verifier: TokenVerifier, header: dict[str, Any]
) -> None:
    try:
        await verifier.verify(sign(**header))
    except Unauthenticated:
        return
    claimed_header = {"alg": "ES256", "kid": "ec"} | header
    assert (claimed_header["alg"], claimed_header["kid"]) == ("ES256", "ec")
    assert not claimed_header.keys() & {"jku", "jwk", "x5u", "x5c", "x5t", "crit", "b64"}


@shared_by_examples
@given(token=st.text(max_size=60) | st.text("ey.J", max_size=60))
async def test_no_text_is_a_token(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)


@shared_by_examples
@given(data=st.data())
async def test_a_token_with_any_character_changed_is_refused(
    verifier: TokenVerifier, data: st.DataObject
) -> None:
    token = sign()
    position = data.draw(st.integers(0, len(token) - 1))
    characters = st.characters(min_codepoint=33, max_codepoint=126)
    character = data.draw(characters.filter(lambda one: one != token[position]))
    with pytest.raises(Unauthenticated):
        await verifier.verify(token[:position] + character + token[position + 1 :])
