"""The process agents is the one that the contracts declare."""

from msaas.agents.bootstrap import SERVICE
from msaas.agents.settings import AgentSettings
from msaas.contracts import PROCESSES


def test_the_declared_process_has_the_ports_and_the_prefix_of_the_settings() -> None:
    process = PROCESSES[SERVICE]
    assert process.command == ("agents", "serve")
    assert process.internal_port == AgentSettings.model_fields["internal_port"].default
    assert process.settings_prefix == AgentSettings.model_config.get("env_prefix")
