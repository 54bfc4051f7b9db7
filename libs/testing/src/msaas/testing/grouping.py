"""Assigns tests to workers; tests of one fleet share a worker, tests that load the machine too.

Groups are chosen by path: the marks of xdist's own groups do not reach the controller.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "deploy/e2e/": "one fleet",
        "deploy/dev/tests/integration/test_bench_command.py": "heavy",
        "deploy/dev/tests/integration/test_changed_tests.py": "import graph",
        "deploy/dev/tests/integration/test_scaffolds.py": "copy of the repository",
        "services/gateway/tests/contract/test_gateway_fuzz.py": "heavy",
        "services/gateway/tests/integration/test_stream_load.py": "heavy",
    }
)


class GroupedScheduling(LoadScopeScheduling):
    """Assigns the largest group first, since it takes longest.

    A test that ends its worker is reported once; the tests that were waiting run in another worker.
    """

    def schedule(self) -> None:
        super().schedule()
        for node in self.nodes:  # a new worker starts its first test once it knows the second
            self._reschedule(node)

    def remove_node(self, node: WorkerController) -> str | None:
        workload = self.assigned_work.pop(node)
        pending = [(unit, name) for unit in workload.values() for name in unit if not unit[name]]
        if not pending:
            return None
        unit, crashed = pending[0]
        unit[crashed] = True  # xdist would run it again, and end the next worker too
        self.workqueue.update({scope: u for scope, u in workload.items() if not all(u.values())})
        for other in self.assigned_work:
            self._reschedule(other)
        return crashed

    def _reschedule(self, node: WorkerController) -> None:
        """Give a worker more tests; a new one that still collects gets them when it has done so."""
        if node in self.registered_collections:
            super()._reschedule(node)

    def _split_scope(self, nodeid: str) -> str:
        groups = (group for path, group in GROUPS.items() if nodeid.startswith(path))
        return next(groups, nodeid)


def make_scheduler(config: pytest.Config, log: Producer) -> GroupedScheduling:
    return GroupedScheduling(config, log)
