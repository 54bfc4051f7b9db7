"""Signs users in by a message to their address: a magic link, a code, or a recovery link."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from msaas.identity.application.one_time_ports import OneTimeTokens, OutboxMessage, VerifierCheck
from msaas.identity.application.use_cases import AuthUseCases, SessionGrant
from msaas.identity.domain.errors import (
    BadCodeVerifier,
    FlowStateExpired,
    FlowStateNotFound,
    OtpDisabled,
    OtpExpired,
    UserAlreadyExists,
    UserBanned,
)
from msaas.identity.domain.one_time import (
    FLOW_LIFETIME,
    TOKEN_LIFETIME,
    Flow,
    OneTimeToken,
    Purpose,
    add_to_query,
    check_challenge,
    choose_redirect,
    create_code,
    create_secret,
    hash_code,
)
from msaas.identity.domain.sessions import hash_token
from msaas.identity.domain.users import User, normalise_email
from msaas.kernel import Clock
from msaas.telemetry import get_logger

_SHOWN_MESSAGES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRequest:
    email: str
    purpose: Purpose
    redirect_to: str | None = None
    challenge: str | None = None
    challenge_method: str | None = None
    create_user: bool = False
    user_metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeSignIn:
    """A user is created when the address is proven, not when somebody names it."""

    use_cases: AuthUseCases
    tokens: OneTimeTokens
    verifier_matches: VerifierCheck
    site_url: str
    clock: Clock

    async def request_message(self, request: MessageRequest) -> None:
        """Put a message into the outbox; a recovery does not reveal whether an address is known."""
        email = normalise_email(request.email)
        challenge = check_challenge(request.challenge, request.challenge_method)
        if not request.create_user and await self.use_cases.accounts.find_by_email(email) is None:
            if request.purpose is Purpose.MAGIC_LINK:
                raise OtpDisabled
            return
        secret, code, now = create_secret(), create_code(), self.clock.now()
        token = OneTimeToken(
            email=email,
            purpose=request.purpose,
            digest=hash_token(secret),
            code_digest=hash_code(email, request.purpose, code),
            expires_at=now + TOKEN_LIFETIME,
            challenge=challenge,
            user_metadata=request.user_metadata or {},
        )
        message = OutboxMessage(
            email=email,
            purpose=request.purpose,
            link=self._build_link(request, challenge, secret),
            code=code,
            created_at=now,
        )
        await self.tokens.add(token, message)
        get_logger().info("message_queued", purpose=str(request.purpose))

    async def follow_link(self, secret: str, redirect_to: str | None) -> str:
        """Return the address with a code that only the client which began the flow can use."""
        target = choose_redirect(redirect_to, self.site_url)
        token = await self.tokens.take(hash_token(secret), self.clock.now())
        if token is None or token.challenge is None:
            description = "Email link is invalid or has expired"
            values = {"error_code": OtpExpired.code, "error_description": description}
            return add_to_query(target, error="access_denied", **values)
        code = create_secret()
        flow = Flow(
            digest=hash_token(code),
            email=token.email,
            purpose=token.purpose,
            challenge=token.challenge,
            expires_at=self.clock.now() + FLOW_LIFETIME,
            user_metadata=token.user_metadata,
        )
        await self.tokens.add_flow(flow)
        return add_to_query(target, code=code)

    async def exchange_code(self, code: str, verifier: str) -> SessionGrant:
        """Give a session for a code and its verifier; a code can be tried once."""
        flow = await self.tokens.take_flow(hash_token(code))
        if flow is None:
            raise FlowStateNotFound
        if flow.expires_at <= self.clock.now():
            raise FlowStateExpired
        if not self.verifier_matches(verifier, flow.challenge):
            raise BadCodeVerifier
        return await self._sign_in(flow)

    async def verify_secret(self, secret: str) -> SessionGrant:
        return await self._sign_in(await self.tokens.take(hash_token(secret), self.clock.now()))

    async def verify_code(self, email: str, purpose: Purpose, code: str) -> SessionGrant:
        address = normalise_email(email)
        digest = hash_code(address, purpose, code.strip())
        now = self.clock.now()
        return await self._sign_in(await self.tokens.take_by_code(address, purpose, digest, now))

    async def list_messages(self) -> Sequence[OutboxMessage]:
        return await self.tokens.list_messages(_SHOWN_MESSAGES)

    async def _sign_in(self, proof: OneTimeToken | Flow | None) -> SessionGrant:
        if proof is None:
            raise OtpExpired
        user = await self._find_or_add_user(proof)
        now = self.clock.now()
        if user.is_banned(now):
            raise UserBanned
        method = "recovery" if proof.purpose is Purpose.RECOVERY else "otp"
        return await self.use_cases.open_session(replace(user, last_sign_in_at=now), method)

    async def _find_or_add_user(self, proof: OneTimeToken | Flow) -> User:
        accounts = self.use_cases.accounts
        if account := await accounts.find_by_email(proof.email):
            return account.user
        if proof.purpose is Purpose.RECOVERY:  # deleted since the message
            raise OtpExpired
        try:
            password = secrets.token_urlsafe(48)  # nobody knows it
            return await self.use_cases.add_user(proof.email, password, proof.user_metadata)
        except UserAlreadyExists:  # added in this moment
            account = await accounts.find_by_email(proof.email)
            if account is None:
                raise OtpExpired from None
            return account.user

    def _build_link(self, request: MessageRequest, challenge: str | None, secret: str) -> str:
        """Lead to this server, which hands a code to the client; without PKCE, to the client."""
        target = choose_redirect(request.redirect_to, self.site_url)
        if challenge is None:
            return add_to_query(target, token_hash=secret, type=str(request.purpose))
        verify = f"{self.use_cases.issuer}/verify"
        values = {"token": secret, "type": str(request.purpose), "redirect_to": target}
        return add_to_query(verify, **values)
