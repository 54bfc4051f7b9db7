"""The selection of scenarios, and the line of each."""

import pytest

from msaas.cli import main
from msaas.dev.chaos import SCENARIOS, ScenarioResult
from msaas.dev.chaos.clients import SubmissionStats
from msaas.dev.chaos.command import format_result, select_scenarios


def test_a_short_run_has_the_short_scenarios_and_a_long_run_all() -> None:
    short = select_scenarios([], short=True)
    assert select_scenarios([], short=False) == list(SCENARIOS)
    assert {"kill -9 jobs", "kill -9 jobs-worker", "kill -9 gateway"} < {
        scenario.name for scenario in short
    }
    assert {"restart redis", "flush redis", "restart postgres"} < {
        scenario.name for scenario in short
    }
    assert {"pause jobs", "pause browser-worker"} < {scenario.name for scenario in short}


def test_scenarios_are_selected_by_a_part_of_their_name() -> None:
    assert select_scenarios(["flush"], short=True)[0].name == "flush redis"
    assert len(select_scenarios(["flush"], short=True)) == 1
    assert len(select_scenarios(["pause jobs"], short=True)) == 2


def test_an_unknown_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["chaos", "--short", "earthquake"])
    assert "available: kill -9 jobs, " in capsys.readouterr().err


@pytest.mark.parametrize(("problems", "mark"), [([], "✓"), (["job a is FAILED"], "✗")])
def test_a_result_is_one_line_and_one_for_each_problem(problems: list[str], mark: str) -> None:
    stats = SubmissionStats(job_ids={"k": "a"}, unknown={"u"}, retries=2, slowest=1.5)
    result = ScenarioResult(
        name="flush redis",
        stats=stats,
        completed=1,
        given_up=4,
        effects=6,
        rerun=5,
        recovery_seconds=3.25,
        problems=problems,
    )
    first, *rest = format_result(result).splitlines()
    figures = ["1", "1", "4", "6", "5", "1", "2", "1.50", "s", "3.25", "s"]
    assert first.split() == [mark, "flush", "redis", *figures]
    assert [line.strip() for line in rest] == problems
