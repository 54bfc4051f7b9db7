"""Keeps the tests of one fleet in one worker; all others go where there is room.

By path: the marks of xdist's own groups do not reach the controller with this pytest.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

GROUPS = ("deploy/e2e/",)


class GroupedScheduling(LoadScopeScheduling):
    """Gives the largest group out first, since it takes longest."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for group in GROUPS if nodeid.startswith(group)), nodeid)


def make_scheduler(config: pytest.Config, log: Producer) -> GroupedScheduling:
    return GroupedScheduling(config, log)
