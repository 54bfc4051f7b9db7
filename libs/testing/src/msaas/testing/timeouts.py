"""Ends an xdist worker whose test timed out, so that the tests after it start in a new process.

pytest-timeout raises in the main thread, that is inside whatever coroutine runs there: the fixtures
that other tests of the worker share are left in an unknown state.
"""

import faulthandler
import os
from typing import Any

import pytest


class WorkerTimeouts:
    """Replaces the timer of pytest-timeout; xdist reports the test and starts a new worker."""

    def __init__(self) -> None:
        self._stderr = os.dup(2)  # capturing redirects the original during a test

    @pytest.hookimpl(optionalhook=True)
    def pytest_timeout_set_timer(self, settings: Any) -> bool:
        faulthandler.dump_traceback_later(settings.timeout, exit=True, file=self._stderr)
        return True

    @pytest.hookimpl(optionalhook=True)
    def pytest_timeout_cancel_timer(self) -> bool:
        faulthandler.cancel_dump_traceback_later()
        return True
