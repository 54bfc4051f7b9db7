"""The rollout of a flag, step by step."""

from uuid import UUID

import pytest

from msaas.flags import (
    FeatureFlagDisabled,
    FeatureFlags,
    FlagContext,
    Rollout,
    parse_requested_flags,
    read_defaults,
)

NAME = "FF_AGENTS_ENABLED"
ANN = FlagContext(UUID(int=1), "PRO", "user")
OPERATOR = FlagContext(UUID(int=2), "FREE", "operator", parse_requested_flags(NAME))


def test_a_flag_is_rolled_out_step_by_step_and_disabled_at_once() -> None:
    switches = FeatureFlags(read_defaults({}))
    switches.set_overrides({})
    with pytest.raises(FeatureFlagDisabled):
        switches.require_enabled(NAME, OPERATOR)

    switches.set_overrides({(NAME, "global"): Rollout(0, internal=True)})
    assert (switches.is_enabled(NAME, OPERATOR), switches.is_enabled(NAME, ANN)) == (True, False)

    switches.set_overrides({(NAME, "global"): Rollout(1), (NAME, "plan:PRO"): Rollout(100)})
    assert switches.is_enabled(NAME, ANN)

    switches.set_overrides({(NAME, "global"): Rollout(0), (NAME, "plan:PRO"): Rollout(100)})
    assert not switches.is_enabled(NAME, ANN)


def test_the_environment_sets_the_defaults() -> None:
    switches = FeatureFlags(read_defaults({"FF_BROWSER_WORKER_ENABLED": "false"}))
    switches.set_overrides({})
    assert not switches.is_enabled("FF_BROWSER_WORKER_ENABLED", ANN)
    switches.set_overrides({("FF_BROWSER_WORKER_ENABLED", "global"): Rollout(100)})
    assert switches.is_enabled("FF_BROWSER_WORKER_ENABLED", ANN)
