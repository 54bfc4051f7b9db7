"""A flag's way to everybody, as its operators go it."""

from uuid import UUID

import pytest

from msaas.flags import FeatureFlagDisabled, Rollout, Subject, Switches, read_asked, read_defaults

NAME = "FF_AGENTS_ENABLED"
ANN = Subject(UUID(int=1), "PRO", "user")
OPERATOR = Subject(UUID(int=2), "FREE", "operator", read_asked(NAME))


def test_from_off_by_insiders_and_a_share_to_everybody_and_back_at_once() -> None:
    switches = Switches(read_defaults({}))
    switches.replace({})
    with pytest.raises(FeatureFlagDisabled):
        switches.require(NAME, OPERATOR)

    switches.replace({(NAME, "global"): Rollout(0, internal=True)})
    assert (switches.is_on(NAME, OPERATOR), switches.is_on(NAME, ANN)) == (True, False)

    switches.replace({(NAME, "global"): Rollout(1), (NAME, "plan:PRO"): Rollout(100)})
    assert switches.is_on(NAME, ANN)

    switches.replace({(NAME, "global"): Rollout(0), (NAME, "plan:PRO"): Rollout(100)})
    assert not switches.is_on(NAME, ANN)


def test_the_environment_says_what_holds_until_somebody_says_otherwise() -> None:
    switches = Switches(read_defaults({"FF_BROWSER_WORKER_ENABLED": "false"}))
    switches.replace({})
    assert not switches.is_on("FF_BROWSER_WORKER_ENABLED", ANN)
    switches.replace({("FF_BROWSER_WORKER_ENABLED", "global"): Rollout(100)})
    assert switches.is_on("FF_BROWSER_WORKER_ENABLED", ANN)
