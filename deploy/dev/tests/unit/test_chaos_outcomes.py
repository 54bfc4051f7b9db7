"""What a chaos run counts as lost and as twice; effects are read from a file of their own."""

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from msaas.dev.chaos.clients import Submission, SubmissionStats
from msaas.dev.chaos.effects import EFFECTS_VARIABLE, read_effects, record_effect
from msaas.dev.chaos.outcomes import StoredJob, find_problems, find_wrong_effects
from msaas.testing import build_job_envelope

A, B, UNKNOWN = UUID(int=1), UUID(int=2), UUID(int=3)
NORMAL = StoredJob(id="a", request="r", task_type="echo", status="COMPLETED", fences=[A])
RERUN = replace(NORMAL, fences=[A, B], losses=1)
ONCE = replace(NORMAL, task_type="run_steps")
LOST = replace(ONCE, status="FAILED", failure_reason="lost_worker")
judge = partial(find_problems, SubmissionStats(job_ids={"r": "a"}))


def test_a_job_that_acted_in_its_only_run_is_right() -> None:
    for job in (NORMAL, ONCE):
        assert list(judge([job], {"a": Counter([A])}, may_lose_runs=False)) == []


@pytest.mark.parametrize(
    ("job", "acted", "problem"),
    [
        (NORMAL, [], "completed without an effect"),
        (ONCE, [], "completed without an effect"),
        (NORMAL, [A, A], "acted 2 times in 1 runs"),
        (NORMAL, [UNKNOWN], "acted in 1 runs that were never dispatched"),
        (replace(RERUN, losses=0), [A, B], "acted in 2 runs although 0 were lost"),
        (replace(RERUN, task_type="run_steps"), [A, B], "runs once and acted 2 times"),
        (replace(LOST, fences=[A, B], losses=1), [A, B], "runs once and acted 2 times"),
    ],
)
def test_an_effect_that_is_missing_or_too_many_is_a_problem(
    job: StoredJob, acted: list[UUID], problem: str
) -> None:
    assert list(find_wrong_effects([job], {"a": Counter(acted)})) == [f"job a {problem}"]
    assert f"job a {problem}" in judge([job], {"a": Counter(acted)}, may_lose_runs=True)


def test_a_normal_task_acts_again_only_where_a_run_was_lost_and_could_be() -> None:
    effects = {"a": Counter([A, B])}
    assert list(judge([RERUN], effects, may_lose_runs=True)) == []
    assert list(judge([RERUN], effects, may_lose_runs=False)) == [
        "job a acted in 2 runs although 1 were lost"
    ]


@pytest.mark.parametrize("acted", [[], [A]])
def test_a_task_that_runs_once_is_given_up_only_where_a_run_can_be_lost(acted: list[UUID]) -> None:
    effects = {"a": Counter(acted)}
    assert LOST.was_given_up
    assert list(judge([LOST], effects, may_lose_runs=True)) == []
    problem = "job a is FAILED (lost_worker)"
    assert list(judge([LOST], effects, may_lose_runs=False)) == [problem]
    normal = replace(LOST, task_type="echo")
    assert list(judge([normal], effects, may_lose_runs=True)) == [problem]


def test_a_job_that_is_missing_or_was_not_requested_is_a_problem() -> None:
    stats = SubmissionStats(
        job_ids={"r": "a", "s": "b", "t": "b"}, refused={"r.1"}, unknown={"r.2", "r.3"}
    )
    jobs = [
        replace(NORMAL, id="b", request="s"),
        replace(NORMAL, id="c", request="r.1"),
        replace(NORMAL, id="d", request="r.2"),
        replace(NORMAL, id="e", request="r.2"),
        replace(NORMAL, id="f", request="x"),
    ]
    effects = {job.id: Counter([A]) for job in jobs}
    assert list(find_problems(stats, jobs, effects, may_lose_runs=False)) == [
        "job a was acknowledged but is not in the database",
        "job b was acknowledged to 2 submissions",
        "request r.2 created 2 jobs",
        "job c was created although its request was refused",
        "job f was created but not acknowledged",
    ]


def test_a_request_without_a_key_has_a_text_of_its_own() -> None:
    with_key, without_key = Submission("p-", 1, 50), Submission("p-", 3, 50)
    assert [with_key.name_request(attempt) for attempt in (1, 2)] == ["p-1", "p-1"]
    assert [without_key.name_request(attempt) for attempt in (1, 2)] == ["p-3.1", "p-3.2"]


def test_each_kind_of_task_is_submitted_with_and_without_a_key() -> None:
    submissions = [Submission("p-", number, 50) for number in range(15)]
    kinds = {(s.build_request("p-0")["task_type"], s.has_key) for s in submissions}
    assert kinds == {
        (task_type, has_key) for task_type in ("echo", "run_steps") for has_key in (True, False)
    }


def test_each_effect_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "effects"
    monkeypatch.setenv(EFFECTS_VARIABLE, str(path))
    assert read_effects(path) == {}
    first, second = build_job_envelope(), build_job_envelope(fence=uuid4())
    for envelope in (first, second, second):
        record_effect(envelope)
    effects = read_effects(path)
    assert effects[str(first.job_id)][first.fence] == 1
    assert effects[str(second.job_id)][second.fence] == 2
