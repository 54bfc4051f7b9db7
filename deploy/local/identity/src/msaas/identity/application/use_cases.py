"""What users do with their accounts and sessions, and the rotation of the signing keys."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from msaas.contracts import Plan
from msaas.identity.application.ports import (
    Accounts,
    Passwords,
    Sessions,
    SigningKeys,
    SignOutScope,
    Tokens,
    UserAccount,
    UserChange,
)
from msaas.identity.domain.errors import (
    InvalidCredentials,
    RefreshTokenAlreadyUsed,
    RefreshTokenNotFound,
    SamePassword,
    SessionNotFound,
    UserBanned,
)
from msaas.identity.domain.sessions import Session, build_claims, hash_token
from msaas.identity.domain.signing_keys import KeyUse, SigningKey, rotate_signing_keys
from msaas.identity.domain.users import User, build_app_metadata, check_password, normalise_email
from msaas.kernel import Clock, new_id
from msaas.telemetry import get_logger


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionGrant:
    """The response to a sign-in: an access token, a refresh token and the user."""

    user: User
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: int


@dataclass(frozen=True, slots=True)
class AuthenticatedSession:
    account: UserAccount
    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthUseCases:
    accounts: Accounts
    sessions: Sessions
    passwords: Passwords
    tokens: Tokens
    issuer: str
    clock: Clock

    async def sign_up(self, email: str, password: str, data: Mapping[str, Any]) -> SessionGrant:
        """Create a user, confirmed at once and signed in."""
        address = normalise_email(email)
        check_password(password)
        user = await self._add_user(address, password, build_app_metadata(), data)
        get_logger().info("user_signed_up", user_id=str(user.id))
        return await self.open_session(replace(user, last_sign_in_at=user.created_at))

    async def sign_in(self, email: str, password: str) -> SessionGrant:
        """Sign in; the time taken does not reveal whether an address is known."""
        account = await self.accounts.find_by_email(email.strip().lower())
        stored = account.password_hash if account else None
        if not await self.passwords.verify(stored, password) or account is None:
            raise InvalidCredentials
        now = self.clock.now()
        # A ban is reported only after the password was verified.
        if account.user.is_banned(now):
            raise UserBanned
        return await self.open_session(replace(account.user, last_sign_in_at=now))

    async def open_session(self, user: User, method: str = "password") -> SessionGrant:
        """Begin a session with the first token of its family."""
        session = Session(
            id=new_id(),
            user_id=user.id,
            secret=secrets.token_bytes(32),
            created_at=self.clock.now(),
            method=method,
        )
        token = secrets.token_urlsafe(32)
        await self.sessions.open(session, hash_token(token))
        get_logger().info("session_opened", user_id=str(user.id), session_id=str(session.id))
        return await self._grant(user, session, token)

    async def refresh(self, token: str) -> SessionGrant:
        """Exchange a refresh token for its child and a new access token."""
        presented = await self.sessions.find_by_refresh_token(hash_token(token))
        account = await self.accounts.find(presented.session.user_id) if presented else None
        if presented is None or account is None:
            raise RefreshTokenNotFound
        if account.user.is_banned(self.clock.now()):
            raise UserBanned("Invalid Refresh Token: User Banned")
        session = presented.session
        if session.revoked:
            raise RefreshTokenAlreadyUsed
        age = session.generation - presented.generation
        if age > 1:  # two clients have this family, and one of them stole it
            await self.sessions.revoke(session.id)
            get_logger().warning("refresh_token_reused", session_id=str(session.id))
            raise RefreshTokenAlreadyUsed
        child = session.derive_child_token(token)
        # The parent of the active token is presented again when the response was lost.
        if age == 0 and not await self.sessions.rotate(session, hash_token(child)):
            return await self.refresh(token)  # a concurrent refresh was faster
        return await self._grant(account.user, session, child)

    async def authenticate(self, token: str) -> AuthenticatedSession:
        """Identify the user of an access token whose session has not ended."""
        claims = await self.tokens.verify(token)
        session = await self.sessions.find(UUID(claims["session_id"]))
        if session is None or session.revoked:
            raise SessionNotFound
        account = await self.accounts.find(session.user_id)
        if account is None:
            raise SessionNotFound
        if account.user.is_banned(self.clock.now()):
            raise UserBanned
        return AuthenticatedSession(account, session)

    async def update_user(
        self,
        authenticated: AuthenticatedSession,
        *,
        email: str | None,
        password: str | None,
        data: Mapping[str, Any],
    ) -> User:
        """Change the signed-in user's address, password or metadata."""
        account = authenticated.account
        address = normalise_email(email) if email else None
        if password:
            check_password(password)
            if await self.passwords.verify(account.password_hash, password):
                raise SamePassword
        change = UserChange(
            email=address,
            password_hash=await self.passwords.hash(password) if password else None,
            user_metadata=data,
        )
        return await self.accounts.change(
            account.user.id, change, keep_session=authenticated.session.id
        )

    async def sign_out(self, authenticated: AuthenticatedSession, scope: SignOutScope) -> None:
        """End sessions: this one, the others, or all of them."""
        session = authenticated.session
        await self.sessions.close(session, scope)
        get_logger().info("sessions_closed", user_id=str(session.user_id), scope=str(scope))

    async def seed_user(
        self, email: str, password: str, *, plan: Plan | None, role: str | None
    ) -> User:
        """Create or change a user; only this sets a plan or a role.

        It is safe to repeat: an unchanged password keeps its sessions.
        """
        address = normalise_email(email)
        check_password(password)
        metadata = build_app_metadata(plan=plan, role=role)
        known = await self.accounts.find_by_email(address)
        if known is None:
            return await self._add_user(address, password, metadata, {})
        same = await self.passwords.verify(known.password_hash, password)
        change = UserChange(
            password_hash=None if same else await self.passwords.hash(password),
            app_metadata=metadata,
        )
        return await self.accounts.change(known.user.id, change)

    async def add_user(self, email: str, password: str, user_metadata: Mapping[str, Any]) -> User:
        """Create a user whose address was proven; raise UserAlreadyExists."""
        user = await self._add_user(email, password, build_app_metadata(), user_metadata)
        get_logger().info("user_signed_up", user_id=str(user.id))
        return user

    async def _add_user(
        self,
        email: str,
        password: str,
        app_metadata: Mapping[str, Any],
        user_metadata: Mapping[str, Any],
    ) -> User:
        now = self.clock.now()
        user = User(
            id=new_id(),
            email=email,
            app_metadata=app_metadata,
            user_metadata=user_metadata,
            created_at=now,
            updated_at=now,
        )
        await self.accounts.add(user, await self.passwords.hash(password))
        return user

    async def _grant(self, user: User, session: Session, refresh_token: str) -> SessionGrant:
        claims = build_claims(user, session, self.issuer, self.clock.now())
        return SessionGrant(
            user=user,
            access_token=await self.tokens.sign(claims),
            refresh_token=refresh_token,
            expires_at=claims["exp"],
        )


@dataclass(frozen=True, slots=True)
class RotateKeys:
    """Rotates the signing keys without invalidating tokens."""

    keys: SigningKeys
    new_key: Callable[[KeyUse, datetime], SigningKey]
    clock: Clock

    async def ensure_keys(self) -> None:
        """Create the first two keys where there are none."""
        now = self.clock.now()

        def begin(keys: Sequence[SigningKey]) -> Sequence[SigningKey]:
            return keys or [self.new_key(use, now) for use in (KeyUse.CURRENT, KeyUse.STANDBY)]

        await self.keys.change(begin)

    async def rotate(self, *, at_once: bool = False) -> Sequence[SigningKey]:
        now = self.clock.now()
        fresh = self.new_key(KeyUse.STANDBY, now)
        keys = await self.keys.change(
            lambda keys: rotate_signing_keys(keys, fresh, now, at_once=at_once)
        )
        get_logger().info("signing_keys_rotated", keys={key.kid: str(key.use) for key in keys})
        return keys
