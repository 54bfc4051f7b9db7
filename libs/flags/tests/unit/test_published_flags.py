"""The overrides of operators become one published state for each flag."""

import pytest

from msaas.flags import (
    ALL_USERS,
    FLAGS,
    NO_USERS,
    FlagState,
    Overrides,
    PublishedFlags,
    Rollout,
    summarise_overrides,
)

AGENTS = "FF_AGENTS_ENABLED"
BROWSER = "FF_BROWSER_WORKER_ENABLED"


@pytest.mark.parametrize(
    ("overrides", "state"),
    [
        ({}, FlagState.DEFAULT),
        ({(AGENTS, "global"): NO_USERS}, FlagState.OFF),
        ({(AGENTS, "global"): Rollout(1)}, FlagState.ON),
        ({(AGENTS, "global"): Rollout(0, internal=True)}, FlagState.ON),
        ({(AGENTS, "plan:PRO"): ALL_USERS}, FlagState.ON),
        ({(AGENTS, "plan:PRO"): NO_USERS}, FlagState.DEFAULT),
        ({(AGENTS, "global"): NO_USERS, (AGENTS, "plan:PRO"): ALL_USERS}, FlagState.OFF),
    ],
)
def test_off_for_all_users_is_final_and_any_other_override_leaves_the_decision_to_the_gateway(
    overrides: Overrides, state: FlagState
) -> None:
    states = summarise_overrides(overrides)
    assert states[AGENTS] is state
    assert states[BROWSER] is FlagState.DEFAULT
    assert set(states) == set(FLAGS)


def test_a_published_state_wins_over_the_default_and_is_kept() -> None:
    flags = PublishedFlags({AGENTS: False, BROWSER: True})
    assert flags.find_disabled([BROWSER, AGENTS]) == AGENTS
    flags.update({AGENTS: FlagState.ON, BROWSER: FlagState.OFF})
    flags.update({})
    assert flags.find_disabled([AGENTS, BROWSER]) == BROWSER
    flags.update({BROWSER: FlagState.DEFAULT})
    assert flags.find_disabled([AGENTS, BROWSER]) is None
