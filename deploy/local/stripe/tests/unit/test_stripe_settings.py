"""The stand-in runs on one machine only."""

import pytest

from msaas.settings import SettingsInvalid, load_settings
from msaas.stripe.settings import Settings


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_other_environments_are_refused(environment: str) -> None:
    with pytest.raises(SettingsInvalid, match="set STRIPE_API_KEY instead"):
        load_settings(Settings, {"ENVIRONMENT": environment})


def test_a_machine_needs_no_settings() -> None:
    settings = load_settings(Settings, {"ENVIRONMENT": "local", "STRIPE_API_KEY": "sk_test_a"})
    assert (settings.requests_per_second, settings.meter_events_per_second) == (100, 1_000)
