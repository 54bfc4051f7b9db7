"""Each benchmark prints its whole table; the figures themselves are not checked."""

import re

import pytest

from msaas.cli import main

pytestmark = pytest.mark.slow

JOBS_ROWS = (
    "ours, durable",
    "one by one",
    "in batches of 200",
    "submitted through HTTP",
    "submit → COMPLETED, low load",
    "small user behind 200 jobs",
    "memory of jobs",
    "memory of jobs-worker",
    "memory of redis",
    "connections to postgres",
    "connections to redis",
    "goals missed",
)
EDGE_ROWS = (
    "POST /jobs",
    "GET /jobs",
    "GET /jobs/{id}",
    "GET /me",
    "every route together",
    "auth, each request",
    "answers of 5XX",
    "broken connections",
    "gateway",
    "POST /jobs, gateway alone",
    "goals missed",
)
BILLING_ROWS = (
    "bare commit of a row",
    "webhook stored, one at a time",
    "webhook stored, 16 at once",
    "events applied",
    "units reported",
    "customers reconciled",
    "  discrepancies",
    "proof of 500 jobs",
    "  read through the API",
    "  verifier",
    "goals missed",
)
SSE_ROWS = (
    "a connection of gateway",
    "gateway, alone",
    "gateway, shared",
    "streams",
    "tasks",
    "connections",
    "open files",
    "MiB",
    "goals missed",
)
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


def read_report(capfd: pytest.CaptureFixture[str]) -> str:
    """Return what a benchmark printed; it fails with the reason where that is an error."""
    printed = capfd.readouterr()
    assert printed.out, printed.err
    assert "Traceback" not in printed.err, printed.err
    return printed.out


def test_the_messaging_benchmark_prints_every_row_and_ends_as_its_gate_says(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code = main(["bench", "messaging", "--jobs", "200", "--repetitions", "1"])
    output = read_report(capfd)
    for row in ROWS:
        assert re.search(rf"^{re.escape(row)}.*\d", output, re.MULTILINE), row
    assert "arq" in output
    assert code == (1 if "MISSED" in output else 0)


@pytest.mark.timeout(400)
def test_the_benchmark_of_jobs_prints_every_row_and_ends_as_its_goals_say(
    capfd: pytest.CaptureFixture[str],
) -> None:
    short = "--jobs 200 --repetitions 1 --soak 200 --samples 5 --seconds 0.5"
    code = main(["bench", "jobs", *short.split()])
    output = read_report(capfd)
    for row in JOBS_ROWS:
        assert re.search(rf"^{re.escape(row)}.*\w", output, re.MULTILINE), output
    for baseline in ("arq", "taskiq-redis", "celery", "dramatiq"):
        assert re.search(rf"^{baseline} ", output, re.MULTILINE), output
    assert code == (1 if "MISSED" in output else 0)


@pytest.mark.timeout(600)
def test_a_soak_of_the_browser_leaves_nothing_behind(capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["bench", "browser", "--soak", "--jobs", "200"])
    output = read_report(capfd)
    for row in ("contexts", "processes", "temporary files", "sockets"):
        assert re.search(rf"^{row}.*\d", output, re.MULTILINE), output
    assert "soak: nothing leaked" in output, output
    assert code == 0


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("edge --seconds 4 --per-minute 1200 --users 2 --listeners 4 --posts 10", EDGE_ROWS),
        ("billing --webhooks 50 --events 100 --customers 20 --jobs 500", BILLING_ROWS),
        ("sse --listeners 200 --repetitions 1 --seconds 0.5 --churn 100", SSE_ROWS),
    ],
)
def test_a_benchmark_of_a_fleet_prints_every_row_and_ends_as_its_goals_say(
    capfd: pytest.CaptureFixture[str], words: str, rows: tuple[str, ...]
) -> None:
    code = main(["bench", *words.split()])
    output = read_report(capfd)
    for row in rows:
        assert re.search(rf"^{re.escape(row)}.*\w", output, re.MULTILINE), output
    assert code == (0 if "goals missed: none" in output else 1)
