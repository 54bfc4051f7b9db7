"""Where the server may run."""

import pytest

from msaas.identity.settings import Settings
from msaas.settings import SettingsInvalid, load_settings

GIVEN = {"DATABASE_URL": "postgresql://a:b@db.example.com/identity?sslmode=verify-full"}


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_environments_other_than_local_are_refused(environment: str) -> None:
    given = {
        **GIVEN,
        "ENVIRONMENT": environment,
        "IDENTITY_ANON_KEY": "a-long-and-secret-key",
        "IDENTITY_PUBLIC_URL": "https://auth.example.com",
    }
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(Settings, given)
    assert refused.value.problems == {
        "ENVIRONMENT": "is not valid: this is a stand-in for one machine: set SUPABASE_URL instead"
    }


def test_the_database_is_the_only_required_setting() -> None:
    settings = load_settings(Settings, {**GIVEN, "ENVIRONMENT": "local"})
    assert settings.issuer == "http://127.0.0.1:9999/auth/v1"
    assert settings.sign_ins_per_minute == 10
