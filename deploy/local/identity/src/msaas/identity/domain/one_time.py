"""One-time sign-in: what a message to the user's address contains, and where its link may lead."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from msaas.identity.domain.errors import ValidationFailed
from msaas.identity.domain.sessions import hash_token

TOKEN_LIFETIME: Final = timedelta(hours=1)
FLOW_LIFETIME: Final = timedelta(minutes=5)
# A code has six digits: guessing stops long before one is likely to be right.
MAX_GUESSES: Final = 5
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
# As RFC 7636 writes verifiers and challenges.
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


class Purpose(StrEnum):
    MAGIC_LINK = "magiclink"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeToken:
    """An address has one token for each purpose; `challenge` is that of the client's PKCE flow."""

    email: str = field(repr=False)
    purpose: Purpose
    digest: bytes = field(repr=False)
    code_digest: bytes = field(repr=False)
    expires_at: datetime
    challenge: str | None = field(default=None, repr=False)
    user_metadata: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The second half of a PKCE flow: who has the code and the verifier gets the session."""

    digest: bytes = field(repr=False)
    email: str = field(repr=False)
    purpose: Purpose
    challenge: str = field(repr=False)
    expires_at: datetime
    user_metadata: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


def create_secret() -> str:
    return secrets.token_urlsafe(32)


def create_code() -> str:
    return f"{secrets.randbelow(10**6):06}"


def hash_code(email: str, purpose: Purpose, code: str) -> bytes:
    return hash_token(f"{purpose}:{email}:{code}")


def check_challenge(challenge: str | None, method: str | None) -> str | None:
    """Return the challenge; a plain one, which is the verifier itself, is refused."""
    if not challenge and not method:
        return None
    if (method or "").lower() != "s256" or not _CHALLENGE.fullmatch(challenge or ""):
        raise ValidationFailed("PKCE flow requires a valid code_challenge with method s256")
    return challenge


def choose_redirect(given: str | None, site_url: str) -> str:
    """Return the given address if it is of the site or of this machine, otherwise the site."""
    try:
        parts = urlsplit(given or "")
        is_own = parts.hostname in _LOOPBACK or parts.netloc == urlsplit(site_url).netloc
    except ValueError:
        return site_url
    is_plain = parts.username is None and not set(given or "") & set("\\\r\n\t ")
    return (
        given if given and is_own and is_plain and parts.scheme in {"http", "https"} else site_url
    )


def add_to_query(url: str, **values: str) -> str:
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *values.items()])
    return urlunsplit(parts._replace(query=query))
