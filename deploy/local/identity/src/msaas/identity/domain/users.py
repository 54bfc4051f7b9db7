"""A user, and the rules for addresses and passwords."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msaas.identity.domain.errors import ValidationFailed, WeakPassword

MIN_PASSWORD_LENGTH: Final = 8
MAX_PASSWORD_LENGTH: Final = 256
MAX_EMAIL_LENGTH: Final = 254
PROVIDER: Final = "email"

# HTML's rule for an address: ASCII only, so that no two characters look the same.
_EMAIL: Final = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    r"(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """The operator sets `app_metadata`; the user sets `user_metadata`, which grants nothing."""

    id: UUID
    email: str = field(repr=False)
    app_metadata: Mapping[str, Any]
    user_metadata: Mapping[str, Any] = field(repr=False)
    created_at: datetime
    updated_at: datetime
    last_sign_in_at: datetime | None = None
    banned_until: datetime | None = None

    def is_banned(self, now: datetime) -> bool:
        return self.banned_until is not None and now < self.banned_until


def build_app_metadata(**given: str | None) -> dict[str, Any]:
    """Return the provider of the sign-in and what the operator has set."""
    named = {name: value for name, value in given.items() if value is not None}
    return {"provider": PROVIDER, "providers": [PROVIDER], **named}


def normalise_email(given: str) -> str:
    email = given.strip().lower()
    if len(email) > MAX_EMAIL_LENGTH or not _EMAIL.fullmatch(email):
        raise ValidationFailed("Unable to validate email address: invalid format")
    return email


def check_password(password: str) -> None:
    if len(password) < MIN_PASSWORD_LENGTH:
        raise WeakPassword(
            f"Password should be at least {MIN_PASSWORD_LENGTH} characters.", reasons=["length"]
        )
    if len(password) > MAX_PASSWORD_LENGTH:
        raise ValidationFailed(f"Password cannot be longer than {MAX_PASSWORD_LENGTH} characters")
