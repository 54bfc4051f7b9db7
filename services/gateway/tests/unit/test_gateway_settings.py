"""The gateway's settings are few, and none gives access to the owner's login."""

from typing import Any

import pytest

from msaas.gateway.settings import Settings
from msaas.settings import SettingsInvalid, load_settings

GIVEN = {
    "ENVIRONMENT": "test",
    "DATABASE_URL": "postgresql://a@db/x",
    "GATEWAY_READ_DATABASE_URL": "postgresql://b@db/x",
    "REDIS_URL": "redis://redis",
    "SUPABASE_URL": "http://identity",
}


def read(**changes: Any) -> Settings:
    return load_settings(Settings, GIVEN | changes)


def test_origins_and_hosts_are_lists_of_names() -> None:
    settings = read(
        CORS_ORIGINS="https://app.example.com, http://localhost:3000",
        GATEWAY_ALLOWED_HOSTS="api.example.com, *.example.com",
    )
    assert settings.cors_origins == ("https://app.example.com", "http://localhost:3000")
    assert settings.allowed_hosts == ("api.example.com", "*.example.com")


@pytest.mark.parametrize(
    "origins", ["*", "https://*.example.com", "https://a.test/", "null", "app.example.com"]
)
def test_an_origin_that_no_browser_sends_is_refused(origins: str) -> None:
    with pytest.raises(SettingsInvalid, match="CORS_ORIGINS"):
        read(CORS_ORIGINS=origins)


@pytest.mark.parametrize("hosts", ["*", "https://api.example.com", "api.example.com:443"])
def test_a_host_is_a_name_alone(hosts: str) -> None:
    with pytest.raises(SettingsInvalid, match="GATEWAY_ALLOWED_HOSTS"):
        read(GATEWAY_ALLOWED_HOSTS=hosts)


def test_no_setting_is_a_key_past_the_policies() -> None:
    assert not [name for name in Settings.model_fields if "service" in name or "role" in name]


def test_by_default_limits_are_enforced_and_no_proxy_is_trusted() -> None:
    settings = read()
    assert (settings.rate_limits_enforced, settings.trusted_proxies) == (True, ())


def test_proxies_are_networks() -> None:
    settings = read(GATEWAY_TRUSTED_PROXIES="10.0.0.0/8, 2001:db8::/32")
    assert settings.trusted_proxies == ("10.0.0.0/8", "2001:db8::/32")
    with pytest.raises(SettingsInvalid) as refused:
        read(GATEWAY_TRUSTED_PROXIES="the-ingress")
    assert set(refused.value.problems) == {"GATEWAY_TRUSTED_PROXIES"}
