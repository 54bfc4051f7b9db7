"""A worker on a broker in memory, on a fake clock."""

from collections.abc import Mapping
from typing import Any

import pytest
from worker_support import Act, OpenHarness, WorkerHarness

from msaas.contracts import TASKS, Task
from msaas.testing import FakeClock
from msaas.worker import RunContext


class FunctionAction:
    def __init__(self, task_type: str, act: Act) -> None:
        self.task_type = task_type
        self._act = act

    async def run(self, run: RunContext) -> Any:
        return await self._act(run)


@pytest.fixture
def open_harness(fake_clock: FakeClock) -> OpenHarness:
    """Return a function that creates a worker with one action."""

    def open_(
        act: Act, task_type: str = "echo", tasks: Mapping[str, Task] = TASKS
    ) -> WorkerHarness:
        return WorkerHarness([FunctionAction(task_type, act)], fake_clock, tasks)

    return open_
