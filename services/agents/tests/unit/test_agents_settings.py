"""The settings of agents."""

from msaas.agents.settings import Settings
from msaas.settings import load_settings


def test_the_internal_port_comes_from_the_environment() -> None:
    given = {
        "ENVIRONMENT": "local",
        "REDIS_URL": "redis://localhost",
        "AGENTS_INTERNAL_PORT": "9999",
    }
    assert load_settings(Settings, given).internal_port == 9999
