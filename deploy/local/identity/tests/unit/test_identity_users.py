"""Addresses, passwords, bans."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.identity.domain.errors import ValidationFailed, WeakPassword
from msaas.identity.domain.users import User, check_password, normalise_email
from msaas.kernel import new_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.emails())
def test_addresses_are_normalised(email: str) -> None:
    normal = normalise_email(f" {email.upper()} ")
    assert normal == normalise_email(email) == normalise_email(normal)


@pytest.mark.parametrize(
    "given_email", ["", "a", "a@", "@b", "a@b@c", "a b@c.d", "é@example.com", "a@-b.c", "a" * 300]
)
def test_an_invalid_address_is_refused(given_email: str) -> None:
    with pytest.raises(ValidationFailed, match="email"):
        normalise_email(given_email)


def test_a_short_password_is_refused_with_the_reason() -> None:
    with pytest.raises(WeakPassword) as refused:
        check_password("1234567")
    assert refused.value.context["reasons"] == ["length"]
    check_password("12345678")


def test_an_overlong_password_is_not_hashed() -> None:
    with pytest.raises(ValidationFailed):
        check_password("a" * 257)


def test_a_ban_has_an_end() -> None:
    user = User(
        id=new_id(),
        email="a@example.com",
        app_metadata={},
        user_metadata={},
        created_at=NOW,
        updated_at=NOW,
        banned_until=NOW + timedelta(hours=1),
    )
    assert user.is_banned(NOW)
    assert not user.is_banned(NOW + timedelta(hours=1))
