"""The precedence of overrides as a table, and the stability of rollouts."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.flags import (
    ALL_USERS,
    BUCKETS,
    NO_USERS,
    FeatureFlags,
    FlagContext,
    FlagScope,
    FlagsUnavailable,
    Rollout,
    ScopeKind,
    UnknownFlag,
    rollout_bucket,
)

LIT, DARK = "FF_BROWSER_WORKER_ENABLED", "FF_AGENTS_ENABLED"
ANN = UUID(int=7)
INSIDERS = Rollout(0, internal=True)
OWN, PLAN = f"user:{ANN}", "plan:PRO"

percents = st.integers(0, 100)
users = st.uuids()
names = st.sampled_from([LIT, DARK])


@pytest.mark.parametrize(
    ("overrides", "role", "is_on"),
    [
        ({}, "user", True),
        ({"global": NO_USERS}, "user", False),
        ({"global": NO_USERS, OWN: ALL_USERS}, "user", False),
        ({"global": NO_USERS, PLAN: ALL_USERS}, "operator", False),
        ({"global": INSIDERS}, "user", False),
        ({"global": INSIDERS}, "operator", True),
        ({"global": INSIDERS, OWN: ALL_USERS}, "user", True),
        ({OWN: NO_USERS}, "user", False),
        ({OWN: NO_USERS, PLAN: ALL_USERS}, "user", False),
        ({PLAN: NO_USERS}, "user", False),
        ({PLAN: NO_USERS, OWN: ALL_USERS}, "user", True),
        ({"plan:FREE": NO_USERS}, "user", True),
        ({"global": INSIDERS, PLAN: ALL_USERS}, "user", True),
    ],
)
def test_the_most_specific_override_decides_unless_the_global_one_is_off(
    overrides: dict[str, Rollout], role: str, *, is_on: bool
) -> None:
    flags = FeatureFlags({})
    flags.set_overrides({(LIT, scope): rollout for scope, rollout in overrides.items()})
    assert flags.is_enabled(LIT, FlagContext(ANN, "PRO", role)) is is_on


@pytest.mark.parametrize(
    ("overrides", "role", "unrequested", "requested"),
    [
        ({}, "operator", False, False),
        ({"global": INSIDERS}, "operator", False, True),
        ({"global": INSIDERS}, "user", False, False),
        ({OWN: ALL_USERS}, "user", False, True),
        ({OWN: NO_USERS, PLAN: ALL_USERS}, "user", False, False),
        ({"global": NO_USERS, OWN: ALL_USERS}, "user", False, False),
        ({PLAN: ALL_USERS}, "user", True, True),
    ],
)
def test_a_dark_flag_is_on_for_internal_users_who_request_it(
    overrides: dict[str, Rollout], role: str, *, unrequested: bool, requested: bool
) -> None:
    flags = FeatureFlags({})
    flags.set_overrides({(DARK, scope): rollout for scope, rollout in overrides.items()})
    assert flags.is_enabled(DARK, FlagContext(ANN, "PRO", role)) is unrequested
    assert flags.is_enabled(DARK, FlagContext(ANN, "PRO", role, frozenset({DARK}))) is requested


def test_flags_are_unavailable_before_the_first_read() -> None:
    flags = FeatureFlags({LIT: True})
    with pytest.raises(FlagsUnavailable):
        flags.is_enabled(LIT, FlagContext(ANN, "PRO", "user"))
    with pytest.raises(FlagsUnavailable):
        flags.ensure_loaded()
    flags.set_overrides({})
    flags.ensure_loaded()
    with pytest.raises(UnknownFlag):
        flags.is_enabled("FF_NO_SUCH", FlagContext(ANN, "PRO", "user"))


@given(names, users, percents, percents)
def test_a_larger_percentage_keeps_the_users_of_a_smaller_one(
    name: str, user: UUID, one: int, other: int
) -> None:
    less, more = sorted((one, other))
    assert Rollout(more).includes(name, user) or not Rollout(less).includes(name, user)


@given(names, users)
def test_a_bucket_is_always_the_same_and_within_bounds(name: str, user: UUID) -> None:
    bucket = rollout_bucket(name, user)
    assert bucket == rollout_bucket(name, UUID(str(user)))
    assert 0 <= bucket < BUCKETS
    assert ALL_USERS.includes(name, user)
    assert not NO_USERS.includes(name, user)


def test_buckets_do_not_change_from_release_to_release() -> None:
    assert [rollout_bucket(LIT, UUID(int=n)) for n in range(3)] == [8582, 7151, 5096]


def test_a_percentage_selects_about_that_share_of_users_and_others_for_each_flag() -> None:
    users = [UUID(int=n) for n in range(5_000)]
    chosen = {
        name: {user for user in users if Rollout(20).includes(name, user)} for name in (LIT, DARK)
    }
    assert all(900 < len(some) < 1_100 for some in chosen.values())
    assert 120 < len(chosen[LIT] & chosen[DARK]) < 280


@st.composite
def scopes(draw: st.DrawFn) -> FlagScope:
    of_user = FlagScope(ScopeKind.USER, str(draw(users)))
    fixed = [FlagScope(ScopeKind.GLOBAL), FlagScope(ScopeKind.PLAN, "PRO")]
    return draw(st.sampled_from([*fixed, of_user]))


@given(scopes())
def test_a_scope_survives_a_round_trip(scope: FlagScope) -> None:
    assert FlagScope.parse(str(scope)) == scope


@pytest.mark.parametrize(
    "text",
    [
        "",
        "everybody",
        "global:",
        "global:x",
        "plan:",
        "plan:GOLD",
        "user:",
        "user:7",
        f"user:{ANN.hex}",
    ],
)
def test_invalid_scopes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        FlagScope.parse(text)


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_percentage_has_bounds(percent: int) -> None:
    with pytest.raises(ValueError, match="0 to 100"):
        Rollout(percent)
