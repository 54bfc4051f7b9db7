"""Whether the browser runs in its sandbox: as root only if an operator says so."""

import pytest

from msaas.browser_worker.config import Settings
from msaas.browser_worker.run import choose_sandbox
from msaas.settings import SettingsInvalid, load_settings
from msaas.telemetry import Metrics

PRODUCTION = {
    "ENVIRONMENT": "production",
    "REDIS_URL": "rediss://worker:Zf81kQpw9LxV@redis.internal:6380/0",
}
LOCAL = {"ENVIRONMENT": "local", "REDIS_URL": "redis://127.0.0.1:1/0"}


@pytest.mark.parametrize(
    ("given", "is_root", "sandbox"),
    [
        (PRODUCTION, False, True),
        (PRODUCTION | {"BROWSER_WORKER_SANDBOX": "false"}, True, False),
        (PRODUCTION | {"BROWSER_WORKER_SANDBOX": "true"}, True, True),
        (LOCAL, True, False),
        (LOCAL, False, True),
    ],
)
def test_the_sandbox_is_on_unless_root_runs_the_worker(
    given: dict[str, str], *, is_root: bool, sandbox: bool
) -> None:
    metrics = Metrics("test", "test")
    chosen = choose_sandbox(load_settings(Settings, given), metrics, is_root=is_root)
    assert chosen is sandbox
    labels = {"service": "test", "environment": "test"}
    assert metrics.registry.get_sample_value("jobs_browser_sandbox", labels) == sandbox


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_root_without_the_sandbox_is_refused_outside_of_local_mode(environment: str) -> None:
    settings = load_settings(Settings, PRODUCTION | {"ENVIRONMENT": environment})
    with pytest.raises(SettingsInvalid, match="BROWSER_WORKER_SANDBOX"):
        choose_sandbox(settings, Metrics("test", "test"), is_root=True)
