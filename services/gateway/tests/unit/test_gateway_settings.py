"""What the gateway does not start with."""

import pytest

from msaas.gateway.settings import Settings
from msaas.settings import SettingsInvalid, load

GIVEN = {
    "ENVIRONMENT": "test",
    "DATABASE_URL": "postgresql://localhost/msaas",
    "GATEWAY_READ_DATABASE_URL": "postgresql://localhost/msaas",
    "REDIS_URL": "redis://localhost",
    "SUPABASE_URL": "http://localhost",
}


def test_limits_are_enforced_and_no_proxy_is_believed_unless_somebody_says_so() -> None:
    settings = load(Settings, GIVEN)
    assert (settings.rate_limits_enforced, settings.trusted_proxies) == (True, ())


def test_proxies_are_networks() -> None:
    given = GIVEN | {"GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::/32"}
    assert load(Settings, given).trusted_proxies == ("10.0.0.0/8", "2001:db8::/32")
    with pytest.raises(SettingsInvalid) as refused:
        load(Settings, GIVEN | {"GATEWAY_TRUSTED_PROXIES": "the-ingress"})
    assert set(refused.value.problems) == {"GATEWAY_TRUSTED_PROXIES"}
