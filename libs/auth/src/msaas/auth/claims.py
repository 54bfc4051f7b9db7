"""The claims of a token with a valid signature."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from msaas.auth.errors import TokenExpired, Unauthenticated
from msaas.contracts import Plan

LEEWAY: Final = 30.0
MAX_EMAIL_LENGTH: Final = 320
MAX_NAME_LENGTH: Final = 200
_YEAR_10000: Final = 253_402_300_800  # the last year of Python's calendar
_PLANS: Final = frozenset(Plan)


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """`app_plan` and `app_role` are set by the issuer; the user's own metadata is not used.

    `signed_in_at` is when the session began, which a refreshed token repeats.
    """

    subject: UUID
    email: str | None
    session_id: str | None
    expires_at: int
    app_plan: str | None
    app_role: str | None
    user_name: str | None
    signed_in_at: float = 0.0


def read_claims(
    claims: Mapping[str, Any], *, issuer: str, audience: str, now: float
) -> TokenClaims:
    """Refuse a token of another project or of no session; check the expiry last."""
    expires_at, issued_at = int(_time(claims.get("exp"))), _time(claims.get("iat"))
    if not (
        claims.get("iss") == issuer
        and _has_audience(claims.get("aud"), audience)
        and claims.get("role") == "authenticated"
        and not claims.get("is_anonymous")
        and issued_at <= now + LEEWAY
        and _time(claims.get("nbf", 0)) <= now + LEEWAY
    ):
        raise Unauthenticated
    subject = _subject(claims.get("sub"))
    if now >= expires_at:
        raise TokenExpired
    app, user = _object(claims.get("app_metadata")), _object(claims.get("user_metadata"))
    plan = _text(app.get("plan"), MAX_NAME_LENGTH)
    return TokenClaims(
        subject=subject,
        email=_text(claims.get("email"), MAX_EMAIL_LENGTH),
        session_id=_text(claims.get("session_id"), MAX_NAME_LENGTH),
        expires_at=expires_at,
        app_plan=plan if plan in _PLANS else None,
        app_role=_text(app.get("role"), MAX_NAME_LENGTH),
        user_name=_text(user.get("name") or user.get("full_name"), MAX_NAME_LENGTH),
        signed_in_at=_read_sign_in(claims.get("amr"), issued_at),
    )


def _read_sign_in(methods: object, issued_at: float) -> float:
    """Return the last authentication of the session; without one, when the token was issued."""
    listed = cast("list[object]", methods) if isinstance(methods, list) else []
    stamps = [_object(method).get("timestamp") for method in listed]
    times = [_time(stamp) for stamp in stamps if stamp is not None]
    return min(max(times, default=issued_at), issued_at)


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unauthenticated
    if not 0 <= value < _YEAR_10000:
        raise Unauthenticated
    return value


def _has_audience(value: object, audience: str) -> bool:
    if isinstance(value, list):
        return audience in cast("list[object]", value)
    return value == audience


def _subject(value: object) -> UUID:
    if isinstance(value, str):
        try:
            subject = UUID(value)
        except ValueError:
            raise Unauthenticated from None
        if str(subject) == value.lower():
            return subject
    raise Unauthenticated


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: object, max_length: int) -> str | None:
    """Return text that Postgres can store, otherwise None."""
    if isinstance(value, str) and 0 < len(value) <= max_length and value.isprintable():
        return value
    return None
