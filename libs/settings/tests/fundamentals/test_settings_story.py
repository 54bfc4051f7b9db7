"""Settings in three stories."""

import pytest
from pydantic_settings import SettingsConfigDict

from msaas.settings import RedisSettings, SettingsInvalid, load_settings


class AgentsSettings(RedisSettings):
    model_config = SettingsConfigDict(env_prefix="AGENTS_")

    max_steps: int = 20


def test_a_service_declares_one_class_and_reads_it_once() -> None:
    environ = {
        "ENVIRONMENT": "local",
        "REDIS_URL": "redis://localhost:6379",
        "AGENTS_MAX_STEPS": "5",
    }
    assert load_settings(AgentsSettings, environ).max_steps == 5


def test_invalid_variables_are_named() -> None:
    with pytest.raises(SettingsInvalid, match="REDIS_URL is missing"):
        load_settings(AgentsSettings, {"ENVIRONMENT": "local"})


def test_production_refuses_local_values() -> None:
    with pytest.raises(SettingsInvalid, match="REDIS_URL points to localhost"):
        load_settings(
            AgentsSettings, {"ENVIRONMENT": "production", "REDIS_URL": "redis://localhost:6379"}
        )
