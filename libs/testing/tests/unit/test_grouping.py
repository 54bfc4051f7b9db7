"""Tests are assigned to workers in groups, also while a worker is replaced."""

from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from xdist.remote import Producer
from xdist.workermanage import WorkerController

from msaas.testing.grouping import GroupedScheduling, make_scheduler

TESTS = [f"libs/x/test_x.py::test_{number}" for number in range(8)]
FLEET = [f"deploy/e2e/tests/test_{name}.py::test_it" for name in "abc"]


class FakeWorker(WorkerController):
    """A worker that only notes what it is to run."""

    def __init__(self, name: str) -> None:
        self.gateway = cast("Any", SimpleNamespace(id=name))
        self.sent: list[int] = []
        self.is_ending = False

    def __repr__(self) -> str:
        return self.gateway.id

    @property
    def shutting_down(self) -> bool:
        return self.is_ending

    def send_runtest_some(self, indices: object) -> None:
        assert isinstance(indices, list)
        self.sent += indices

    def shutdown(self) -> None:
        self.is_ending = True


Start = Callable[..., GroupedScheduling]


@pytest.fixture
def start(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return a function that starts a run of the tests with these workers."""
    monkeypatch.setattr(pytestconfig.option, "tx", ["popen"] * 2)

    def start_(*workers: FakeWorker, tests: list[str] = TESTS) -> GroupedScheduling:
        scheduling = make_scheduler(pytestconfig, Producer("test", enabled=False))
        scheduling.numnodes = len(workers)
        for worker in workers:
            scheduling.add_node(worker)
            scheduling.add_node_collection(worker, tests)
        scheduling.schedule()
        return scheduling

    return start_


def add_worker(scheduling: GroupedScheduling, worker: FakeWorker) -> None:
    scheduling.add_node_collection(worker, scheduling.collection or [])
    scheduling.schedule()


def test_the_tests_of_one_fleet_share_a_worker_which_gets_them_first(start: Start) -> None:
    first, second = FakeWorker("first"), FakeWorker("second")
    tests = [*TESTS, *FLEET]
    start(first, second, tests=tests)
    assert [tests[index] for index in first.sent[:3]] == FLEET
    assert not {tests[index] for index in second.sent} & {*FLEET}


def test_a_worker_that_ends_while_its_successor_collects_leaves_the_rest_to_both(
    start: Start,
) -> None:
    first, second, third, fourth = map(FakeWorker, ("first", "second", "third", "fourth"))
    scheduling = start(first, second)
    crashed = scheduling.remove_node(first)
    assert crashed == TESTS[first.sent[0]]
    scheduling.add_node(third)  # the successor, which has not collected yet
    again = scheduling.remove_node(second)
    assert again == TESTS[second.sent[0]]
    assert third.sent == []
    scheduling.add_node(fourth)
    add_worker(scheduling, third)
    add_worker(scheduling, fourth)
    done = [crashed, again]
    while scheduling.has_pending:
        for worker in (third, fourth):
            indices, worker.sent = worker.sent, []
            for index in indices:
                scheduling.mark_test_complete(worker, index)
                done.append(TESTS[index])
    assert Counter(done) == Counter(TESTS)


def test_a_test_that_ended_its_worker_runs_no_second_time(start: Start) -> None:
    first, second = FakeWorker("first"), FakeWorker("second")
    scheduling = start(first, second)
    crashed = scheduling.remove_node(first)
    third = FakeWorker("third")
    scheduling.add_node(third)
    add_worker(scheduling, third)
    assert crashed not in {TESTS[index] for index in third.sent}
