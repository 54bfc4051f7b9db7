"""One dispatched job and reports of its runs, as plain values."""

from collections.abc import Callable

import pytest
from services.jobs.tests.scenario import JobScenario


@pytest.fixture
def scenario() -> JobScenario:
    return JobScenario()


@pytest.fixture
def make_scenario() -> Callable[[], JobScenario]:
    return JobScenario
