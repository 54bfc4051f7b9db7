"""Each threat model names tests, and each of them exists."""

import re

import pytest

from msaas.dev.workspace import ROOT

BROWSER_TESTS = ("services/browser-worker/tests", "deploy/e2e/tests")
GATEWAY_TESTS = ("services/gateway/tests", "libs/web/tests", "deploy/e2e/tests")
# The contracts have the rights of each Redis user, the services what a message may cause.
FLEET_TESTS = ("contracts/tests", "libs", "services")
AGENTS_TESTS = ("services/agents/tests",)
NAMED = re.compile(r"`(test_\w+)`")
DEFINED = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


@pytest.mark.parametrize(
    ("model", "folders", "least"),
    [
        ("agents", AGENTS_TESTS, 14),
        ("browser", BROWSER_TESTS, 16),
        ("gateway", GATEWAY_TESTS, 10),
        ("fleet", FLEET_TESTS, 3),
    ],
)
def test_every_control_of_the_threat_model_is_shown_by_a_test_that_exists(
    model: str, folders: tuple[str, ...], least: int
) -> None:
    text = (ROOT / "docs" / "security" / f"{model}-threat-model.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    controls = [row for row in rows if not row.startswith("| ---")]
    assert len(controls) >= least
    for row in controls:
        assert NAMED.search(row.rpartition(" | ")[2]), row
    paths = [path for folder in folders for path in (ROOT / folder).rglob("test_*.py")]
    defined = {name for path in paths for name in DEFINED.findall(path.read_text())}
    assert set(NAMED.findall(text)) - defined == set()
