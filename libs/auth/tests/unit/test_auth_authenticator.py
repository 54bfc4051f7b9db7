"""The user behind a token is cached, and loaded again after a change."""

import asyncio
from typing import Any, cast
from uuid import UUID

import pytest

from msaas.auth import Authenticator, TokenClaims, TokenVerifier, Unauthenticated, UserPrincipal
from msaas.auth import authenticator as authenticator_module
from msaas.auth.authenticator import PRINCIPAL_TTL_SECONDS
from msaas.testing import FakeClock

ANN, BOB, CID = (UUID(int=number, version=4) for number in (1, 2, 3))


class Verifier:
    """Accepts as a token the text of a user's id."""

    async def verify(self, token: str) -> TokenClaims:
        return TokenClaims(UUID(token), None, None, 4_102_444_800, None, None, None)


class Store:
    def __init__(self) -> None:
        self.plan = "FREE"
        self.loaded: list[UUID] = []
        self.banned: set[UUID] = set()
        self.gate = asyncio.Event()
        self.gate.set()

    async def get_principal(self, claims: TokenClaims) -> UserPrincipal:
        self.loaded.append(claims.subject)
        plan = self.plan
        await self.gate.wait()
        if claims.subject in self.banned:
            raise Unauthenticated
        return UserPrincipal(claims.subject, claims.email, plan, None, "user")


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def authenticator(store: Store, fake_clock: FakeClock) -> Authenticator:
    return Authenticator(cast("TokenVerifier", cast("Any", Verifier())), store, clock=fake_clock)


async def test_a_user_is_loaded_from_the_store_once_per_interval(
    authenticator: Authenticator, store: Store, fake_clock: FakeClock
) -> None:
    for _ in range(20):
        assert (await authenticator.authenticate(f"Bearer {ANN}")).user.plan == "FREE"
    assert store.loaded == [ANN]
    store.plan = "PRO"
    await fake_clock.advance(PRINCIPAL_TTL_SECONDS)
    assert (await authenticator.authenticate(f"Bearer {ANN}")).user.plan == "PRO"
    assert store.loaded == [ANN, ANN]


async def test_the_expiry_of_the_token_is_returned_for_cached_and_uncached_users(
    authenticator: Authenticator,
) -> None:
    for _ in range(2):
        user, expires_at = await authenticator.authenticate(f"bearer {ANN}")
        assert (user.id, expires_at) == (ANN, 4_102_444_800)


async def test_a_changed_user_is_loaded_again(authenticator: Authenticator, store: Store) -> None:
    await authenticator.authenticate(f"Bearer {ANN}")
    store.banned.add(ANN)
    await authenticator.authenticate(f"Bearer {ANN}")
    authenticator.invalidate(ANN)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(f"Bearer {ANN}")
    store.banned.clear()
    assert await authenticator.authenticate(f"Bearer {ANN}")


async def test_a_row_that_changed_while_it_was_read_is_not_cached(
    authenticator: Authenticator, store: Store
) -> None:
    store.gate.clear()
    task = asyncio.create_task(authenticator.authenticate(f"Bearer {ANN}"))
    await asyncio.sleep(0)
    store.plan = "PRO"
    authenticator.invalidate(ANN)
    store.gate.set()
    assert (await task).user.plan == "FREE"
    assert (await authenticator.authenticate(f"Bearer {ANN}")).user.plan == "PRO"


async def test_the_cache_of_users_is_bounded(
    authenticator: Authenticator, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticator_module, "MAX_CACHED_ENTRIES", 2)
    for user in (ANN, BOB, CID, CID, BOB, ANN):
        await authenticator.authenticate(f"Bearer {user}")
    assert store.loaded == [ANN, BOB, CID, ANN]


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", f"Basic {ANN}", f"Bearer\t{ANN}", f"{ANN}"]
)
async def test_another_header_is_no_token(
    authenticator: Authenticator, store: Store, authorization: str | None
) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(authorization)
    assert store.loaded == []


async def test_a_request_is_authenticated_once_for_all_dependencies(
    authenticator: Authenticator, store: Store
) -> None:
    def request_of(user: UUID) -> dict[str, Any]:
        return {"type": "http", "headers": [(b"authorization", f"Bearer {user}".encode())]}

    store.banned.add(BOB)
    refused, accepted = request_of(BOB), request_of(ANN)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate_scope(refused)
        assert (await authenticator.authenticate_scope(accepted)).user.id == ANN
    assert store.loaded == [BOB, ANN]
    assert accepted["state"]["user_id"] == ANN
    assert "state" not in refused
