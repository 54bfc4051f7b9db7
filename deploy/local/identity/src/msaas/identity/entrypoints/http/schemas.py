"""The JSON that Supabase's clients send and expect."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, JsonValue

from msaas.identity.application.use_cases import SessionGrant
from msaas.identity.domain.sessions import AUDIENCE, ROLE, TOKEN_LIFETIME
from msaas.identity.domain.users import PROVIDER, User

Metadata = dict[str, JsonValue]

SETTINGS: Mapping[str, Any] = {
    "external": {"email": True, "phone": False, "anonymous_users": False},
    "disable_signup": False,
    "mailer_autoconfirm": True,
    "phone_autoconfirm": False,
    "sms_provider": "",
    "saml_enabled": False,
}


class SignUpBody(BaseModel):
    email: str | None = None
    phone: str | None = None
    password: str = Field(default="", repr=False)
    data: Metadata | None = None


class TokenBody(BaseModel):
    email: str | None = None
    phone: str | None = None
    password: str = Field(default="", repr=False)
    refresh_token: str = Field(default="", repr=False)
    auth_code: str = Field(default="", repr=False, max_length=200)
    code_verifier: str = Field(default="", repr=False, max_length=200)


class UserBody(BaseModel):
    email: str | None = None
    password: str | None = Field(default=None, repr=False)
    data: Metadata | None = None


def session_json(grant: SessionGrant) -> dict[str, Any]:
    return {
        "access_token": grant.access_token,
        "token_type": "bearer",
        "expires_in": int(TOKEN_LIFETIME.total_seconds()),
        "expires_at": grant.expires_at,
        "refresh_token": grant.refresh_token,
        "user": user_json(grant.user),
    }


def user_json(user: User) -> dict[str, Any]:
    return {
        "id": str(user.id),
        "aud": AUDIENCE,
        "role": ROLE,
        "email": user.email,
        "email_confirmed_at": user.created_at,
        "phone": "",
        "confirmed_at": user.created_at,
        "last_sign_in_at": user.last_sign_in_at,
        "app_metadata": user.app_metadata,
        "user_metadata": user.user_metadata,
        "identities": [_identity_json(user)],
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "is_anonymous": False,
    }


def _identity_json(user: User) -> dict[str, Any]:
    return {
        "identity_id": str(user.id),
        "id": str(user.id),
        "user_id": str(user.id),
        "identity_data": {
            "sub": str(user.id),
            "email": user.email,
            "email_verified": True,
            "phone_verified": False,
        },
        "provider": PROVIDER,
        "last_sign_in_at": user.last_sign_in_at,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "email": user.email,
    }
