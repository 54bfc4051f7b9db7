"""The table of ADR-0007 matches the code."""

import re

import pytest

from msaas.dev.workspace import ROOT
from msaas.kernel import BreakerPolicy, RetryPolicy
from msaas.postgres import HOT_ROW_LOCK_TIMEOUT, PostgresConfig
from msaas.redis import keys

PAGE = (ROOT / "docs" / "adrs" / "ADR-0007-circuit-breaker-and-waiting.md").read_text()
SECONDS = {"ms": 0.001, "s": 1.0}


def documented_seconds(wait: str) -> float:
    (found,) = re.findall(rf"^\| {re.escape(wait)} \| (\d+) (m?s) \|$", PAGE, re.MULTILINE)
    number, unit = found
    return int(number) * SECONDS[unit]


postgres = PostgresConfig("postgresql://localhost/x")


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        ("Postgres statement", postgres.command_timeout),
        ("Postgres connection, from the pool or new", postgres.acquire_timeout),
        ("Postgres connection, from the pool or new", postgres.connect_timeout),
        ("lock on a hot row", HOT_ROW_LOCK_TIMEOUT),
        ("Redis command (blocking reads apart)", keys.COMMAND_TIMEOUT),
        ("retry, first step", RetryPolicy().base),
        ("retry, largest step", RetryPolicy().cap),
        ("circuit open", BreakerPolicy().open_seconds),
    ],
)
def test_a_default_is_the_one_that_the_decision_states(wait: str, seconds: float) -> None:
    assert seconds == pytest.approx(documented_seconds(wait))


def test_the_breaker_opens_where_the_decision_says() -> None:
    policy = BreakerPolicy()
    assert f"opens on {policy.consecutive_failures} consecutive failures" in PAGE
    assert f"over {policy.window:g} s from {policy.min_calls} calls on" in PAGE
