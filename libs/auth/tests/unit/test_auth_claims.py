"""Which claims of a token are accepted, and how they are read."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.auth import TokenClaims, TokenExpired, Unauthenticated
from msaas.auth.claims import LEEWAY, read_claims

ISSUER = "https://project.example.com/auth/v1"
SUBJECT = uuid4()
NOW = 1_767_225_600.0
GOOD: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "authenticated",
    "sub": str(SUBJECT),
    "role": "authenticated",
    "email": "ann@example.com",
    "iat": int(NOW),
    "exp": int(NOW) + 3600,
    "session_id": "3f0c",
    "is_anonymous": False,
    "app_metadata": {"plan": "PRO", "role": "operator"},
    "user_metadata": {"name": "Ann", "plan": "ENTERPRISE", "role": "operator"},
}


def read(**changes: Any) -> TokenClaims:
    claims = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return read_claims(claims, issuer=ISSUER, audience="authenticated", now=NOW)


def test_the_claims_of_a_session_are_read() -> None:
    assert read() == TokenClaims(
        subject=SUBJECT,
        email="ann@example.com",
        session_id="3f0c",
        expires_at=int(NOW) + 3600,
        app_plan="PRO",
        app_role="operator",
        user_name="Ann",
        signed_in_at=NOW,
    )


@pytest.mark.parametrize(
    ("methods", "signed_in_at"),
    [
        (None, NOW),
        ([], NOW),
        ([{"method": "password", "timestamp": NOW - 900}], NOW - 900),
        ([{"timestamp": NOW - 900}, {"timestamp": NOW - 60}, {}, "otp"], NOW - 60),
        ([{"timestamp": NOW + 900}], NOW),
    ],
)
def test_a_session_began_with_its_last_authentication(methods: object, signed_in_at: float) -> None:
    assert read(amr=methods).signed_in_at == signed_in_at


def test_the_users_own_words_decide_nothing() -> None:
    found = read(app_metadata=..., user_metadata={"plan": "ENTERPRISE", "role": "operator"})
    assert (found.app_plan, found.app_role, found.user_name) == (None, None, None)


@pytest.mark.parametrize("odd", ["", "a\0b", "\ud800", "x" * 999, 7, [], {}, None, True])
def test_claims_of_unexpected_types_are_ignored(odd: object) -> None:
    found = read(
        email=odd,
        session_id=odd,
        app_metadata={"plan": odd, "role": odd},
        user_metadata={"full_name": odd},
    )
    assert (found.email, found.session_id, found.user_name) == (None, None, None)
    assert (found.app_plan, found.app_role) == (None, None)
    assert read(app_metadata=odd, user_metadata=odd).app_role is None


def test_a_plan_that_is_not_sold_is_no_plan() -> None:
    assert read(app_metadata={"plan": "GOLD"}).app_plan is None


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": NOW + LEEWAY},
        {"nbf": NOW + LEEWAY},
        {"nbf": NOW - 1},
        {"aud": ["other", "authenticated"]},
        {"is_anonymous": ...},
        {"is_anonymous": None},
        {"exp": NOW + 1.5},
        {"sub": str(SUBJECT).upper()},
    ],
)
def test_a_session_may_have_equivalent_claims(changes: dict[str, Any]) -> None:
    assert read(**changes).subject == SUBJECT


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example.com/auth/v1"},
        {"iss": f"{ISSUER}/"},
        {"iss": [ISSUER]},
        {"iss": ...},
        {"aud": "anon"},
        {"aud": ["other"]},
        {"aud": {"authenticated": 1}},
        {"aud": ...},
        {"role": "anon"},
        {"role": "service_role"},
        {"role": ["authenticated"]},
        {"role": ...},
        {"is_anonymous": True},
        {"is_anonymous": "false"},
        {"sub": "1' or 1=1"},
        {"sub": SUBJECT.hex},
        {"sub": f"{{{SUBJECT}}}"},
        {"sub": 7},
        {"sub": ...},
        {"iat": NOW + LEEWAY + 1},
        {"iat": "now"},
        {"iat": ...},
        {"nbf": NOW + LEEWAY + 1},
        {"nbf": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"exp": -1},
        {"exp": ...},
    ],
)
def test_anything_else_is_refused_and_not_as_expired(changes: dict[str, Any]) -> None:
    for expiry in ({}, {"exp": NOW - 1}):
        with pytest.raises(Unauthenticated) as raised:
            read(**(expiry | changes))
        assert type(raised.value) is Unauthenticated
        assert raised.value.context == {}


@pytest.mark.parametrize("end", [NOW, NOW - 1, NOW - 1e6, 0])
def test_an_expired_session_is_reported_as_expired(end: float) -> None:
    with pytest.raises(TokenExpired):
        read(exp=end)


odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
near = st.floats(NOW - 100, NOW + 100) | st.integers(int(NOW) - 100, int(NOW) + 100)
names = st.sampled_from(
    ["iss", "aud", "sub", "role", "exp", "iat", "nbf", "is_anonymous", "email", "app_metadata"]
)


@given(st.dictionaries(names, odd | near, max_size=4))
def test_claims_of_any_shape_are_refused_or_hold(changes: dict[str, Any]) -> None:
    claims = GOOD | changes
    try:
        found = read(**changes)
    except TokenExpired:
        assert claims["exp"] < NOW + 1
        return
    except Unauthenticated:
        return
    assert (claims["iss"], claims["role"]) == (ISSUER, "authenticated")
    assert found.subject == UUID(claims["sub"])
    assert NOW < found.expires_at <= claims["exp"]
    assert claims["iat"] <= NOW + LEEWAY
    assert claims.get("nbf", 0) <= NOW + LEEWAY
    assert not claims["is_anonymous"]
