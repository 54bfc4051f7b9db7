"""The settings of agents."""

from msaas.agents.settings import AgentSettings
from msaas.settings import load_settings


def test_the_process_reads_its_own_variables_and_those_of_models() -> None:
    given = {
        "ENVIRONMENT": "local",
        "REDIS_URL": "redis://localhost",
        "DATABASE_URL": "postgresql://localhost/x",
        "AGENTS_INTERNAL_PORT": "9999",
        "AGENTS_SLOTS": "3",
        "OPENAI_API_KEY": "sk-secret",
    }
    settings = load_settings(AgentSettings, given)
    assert (settings.internal_port, settings.slots) == (9999, 3)
    assert settings.provider_order == ("openai",)
    assert "sk-secret" not in repr(settings)
