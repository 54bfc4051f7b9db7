"""The threat model names tests, and each of them exists."""

import re

from msaas.dev.workspace import ROOT

TESTS = ROOT / "services" / "browser-worker" / "tests"
NAMED = re.compile(r"`(test_\w+)`")
DEFINED = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


def test_every_control_of_the_threat_model_is_shown_by_a_test_that_exists() -> None:
    text = (ROOT / "docs" / "security" / "browser-threat-model.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    controls = [row for row in rows if not row.startswith("| ---")]
    assert len(controls) > 15
    for row in controls:
        assert NAMED.search(row.rpartition(" | ")[2]), row
    defined = {
        name for path in TESTS.rglob("test_*.py") for name in DEFINED.findall(path.read_text())
    }
    assert set(NAMED.findall(text)) - defined == set()
