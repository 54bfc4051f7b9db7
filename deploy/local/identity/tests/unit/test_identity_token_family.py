"""Refresh tokens against a model: active, parent, older, revoked, ended."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from msaas.identity.application.ports import PresentedToken, SignOutScope, UserAccount, UserChange
from msaas.identity.application.use_cases import AuthUseCases
from msaas.identity.domain.errors import RefreshTokenAlreadyUsed, RefreshTokenNotFound
from msaas.identity.domain.sessions import Session, hash_token
from msaas.identity.domain.users import User
from msaas.kernel import new_id
from msaas.testing import FakeClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryAccounts:
    def __init__(self, user: User) -> None:
        self._account = UserAccount(user, "")

    async def find(self, user_id: UUID) -> UserAccount | None:
        return self._account if user_id == self._account.user.id else None

    async def find_by_email(self, email: str) -> UserAccount | None:
        raise NotImplementedError

    async def add(self, user: User, password_hash: str) -> None:
        raise NotImplementedError

    async def change(
        self, user_id: UUID, change: UserChange, *, keep_session: UUID | None = None
    ) -> User:
        raise NotImplementedError


class MemorySessions:
    def __init__(self) -> None:
        self.sessions: dict[UUID, Session] = {}
        self.tokens: dict[bytes, tuple[UUID, int]] = {}
        self.overtaken = False

    async def open(self, session: Session, token: bytes) -> None:
        self.sessions[session.id] = session
        self.tokens[token] = session.id, 0

    async def find(self, session_id: UUID) -> Session | None:
        return self.sessions.get(session_id)

    async def find_by_refresh_token(self, token: bytes) -> PresentedToken | None:
        session_id, generation = self.tokens.get(token, (None, 0))
        session = self.sessions.get(session_id) if session_id else None
        return PresentedToken(session, generation) if session else None

    async def rotate(self, session: Session, child: bytes) -> bool:
        if session != self.sessions.get(session.id):
            return False
        moved = replace(session, generation=session.generation + 1)
        self.sessions[session.id] = moved
        self.tokens[child] = session.id, moved.generation
        # As if a twin of this request had come a moment earlier.
        overtaken, self.overtaken = self.overtaken, False
        return not overtaken

    async def revoke(self, session_id: UUID) -> None:
        self.sessions[session_id] = replace(self.sessions[session_id], revoked=True)

    async def close(self, session: Session, scope: SignOutScope) -> None:
        assert scope is SignOutScope.LOCAL
        del self.sessions[session.id]


class PlainTokens:
    async def sign(self, claims: Mapping[str, Any]) -> str:
        return str(claims["session_id"])

    async def verify(self, token: str) -> Mapping[str, Any]:
        raise NotImplementedError

    async def list_published(self) -> list[dict[str, Any]]:
        raise NotImplementedError


@dataclass
class Family:
    """The model of a session: its tokens in order, and its state."""

    session_id: UUID
    tokens: list[str] = field(default_factory=list[str])
    revoked: bool = False
    ended: bool = False


class TokenFamilies(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.user = User(
            id=new_id(),
            email="a@example.com",
            app_metadata={},
            user_metadata={},
            created_at=NOW,
            updated_at=NOW,
        )
        self.sessions = MemorySessions()
        self.use_cases = AuthUseCases(
            accounts=MemoryAccounts(self.user),
            sessions=self.sessions,
            passwords=cast("Any", None),
            tokens=PlainTokens(),
            issuer="issuer",
            clock=FakeClock(),
        )
        self.families: list[Family] = []

    def present(self, token: str) -> str | None:
        """Return the new token, or None when the request is refused."""
        try:
            return asyncio.run(self.use_cases.refresh(token)).refresh_token
        except (RefreshTokenAlreadyUsed, RefreshTokenNotFound):
            return None

    def choose(self, data: st.DataObject) -> Family:
        return data.draw(st.sampled_from(self.families))

    @rule()
    def sign_in(self) -> None:
        grant = asyncio.run(self.use_cases.open_session(self.user))
        self.families.append(Family(UUID(grant.access_token), [grant.refresh_token]))

    @precondition(lambda self: bool(self.families))
    @rule(data=st.data(), overtaken=st.booleans())
    def present_the_active_one(self, data: st.DataObject, *, overtaken: bool) -> None:
        family = self.choose(data)
        alive = not (family.revoked or family.ended)
        self.sessions.overtaken = overtaken and alive
        child = self.present(family.tokens[-1])
        assert (child is not None) == alive
        if child:
            assert child not in family.tokens
            family.tokens.append(child)

    @precondition(lambda self: any(len(family.tokens) > 1 for family in self.families))
    @rule(data=st.data(), age=st.integers(1, 5))
    def present_an_older_one(self, data: st.DataObject, age: int) -> None:
        family = self.choose(data)
        if len(family.tokens) <= age:
            return
        given = self.present(family.tokens[-1 - age])
        if family.revoked or family.ended:
            assert given is None
        elif age == 1:
            assert given == family.tokens[-1]
        else:
            assert given is None
            family.revoked = True

    @precondition(lambda self: bool(self.families))
    @rule(data=st.data())
    def sign_out(self, data: st.DataObject) -> None:
        family = self.choose(data)
        session = self.sessions.sessions.get(family.session_id)
        if session:
            asyncio.run(self.sessions.close(session, SignOutScope.LOCAL))
        family.ended = True

    @rule(token=st.text(max_size=50))
    def guess(self, token: str) -> None:
        assert self.present(token) is None

    @invariant()
    def no_family_touches_another(self) -> None:
        for family in self.families:
            session = self.sessions.sessions.get(family.session_id)
            assert (session is None) == family.ended
            assert session is None or session.revoked == family.revoked

    @invariant()
    def no_token_is_stored(self) -> None:
        issued = {token.encode() for family in self.families for token in family.tokens}
        assert not issued & self.sessions.tokens.keys()
        assert {hash_token(token.decode()) for token in issued} == self.sessions.tokens.keys()


TestTokenFamilies = TokenFamilies.TestCase
TestTokenFamilies.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
