"""Keeps the tests of one fleet in one worker, and those apart that load the whole machine.

All others go where there is room. By path: the marks of xdist's own groups do not reach the
controller with this pytest.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "deploy/e2e/": "one fleet",
        "deploy/dev/tests/integration/test_bench_command.py": "heavy",
        "services/gateway/tests/contract/test_gateway_fuzz.py": "heavy",
        "services/gateway/tests/integration/test_stream_load.py": "heavy",
    }
)


class GroupedScheduling(LoadScopeScheduling):
    """Gives the largest group out first, since it takes longest."""

    def _split_scope(self, nodeid: str) -> str:
        groups = (group for path, group in GROUPS.items() if nodeid.startswith(path))
        return next(groups, nodeid)


def make_scheduler(config: pytest.Config, log: Producer) -> GroupedScheduling:
    return GroupedScheduling(config, log)
