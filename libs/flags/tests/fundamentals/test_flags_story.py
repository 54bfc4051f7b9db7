"""The rollout of a flag, step by step."""

from uuid import UUID

from msaas.flags import (
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
    flags = FeatureFlags(read_defaults({}))
    flags.set_overrides({})
    assert not flags.is_enabled(NAME, OPERATOR)

    flags.set_overrides({(NAME, "global"): Rollout(0, internal=True)})
    assert (flags.is_enabled(NAME, OPERATOR), flags.is_enabled(NAME, ANN)) == (True, False)

    flags.set_overrides({(NAME, "global"): Rollout(1), (NAME, "plan:PRO"): Rollout(100)})
    assert flags.is_enabled(NAME, ANN)

    flags.set_overrides({(NAME, "global"): Rollout(0), (NAME, "plan:PRO"): Rollout(100)})
    assert not flags.is_enabled(NAME, ANN)


def test_the_environment_sets_the_defaults() -> None:
    flags = FeatureFlags(read_defaults({"FF_BROWSER_WORKER_ENABLED": "false"}))
    flags.set_overrides({})
    assert not flags.is_enabled("FF_BROWSER_WORKER_ENABLED", ANN)
    flags.set_overrides({("FF_BROWSER_WORKER_ENABLED", "global"): Rollout(100)})
    assert flags.is_enabled("FF_BROWSER_WORKER_ENABLED", ANN)
