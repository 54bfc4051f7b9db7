"""A benchmark prints its whole table; what the figures are is for a quiet machine to say."""

import re

import pytest

from msaas.cli import main

ROWS = (
    "bare redis-py loop",
    "our batch runner",
    "our work runner",
    "plain XADD, 50 at once",
    "our publisher, 50 at once",
    "publish → handled",
    "command → reply",
    "gate",
)


def test_the_messaging_benchmark_prints_every_row_and_ends_as_its_gate_says(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code = main(["bench", "messaging", "--jobs", "200", "--rounds", "1"])
    said = capfd.readouterr().out
    for row in ROWS:
        assert re.search(rf"^{re.escape(row)}.*\d", said, re.MULTILINE), row
    assert "arq" in said
    assert code == (1 if "MISSED" in said else 0)
