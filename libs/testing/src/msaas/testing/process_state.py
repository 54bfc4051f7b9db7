"""Restores what a test may change in its process: environment variables and working folder."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress

_SET_BY_PYTEST = "PYTEST_CURRENT_TEST"


@contextmanager
def restored_process_state() -> Generator[None]:
    """Restore os.environ and the working folder, however the block ends."""
    variables, folder = dict(os.environ), os.getcwd()  # noqa: PTH109 - restored as it is
    try:
        yield
    finally:
        variables.pop(_SET_BY_PYTEST, None)
        for name in os.environ.keys() - variables.keys() - {_SET_BY_PYTEST}:
            del os.environ[name]
        os.environ.update(variables)
        with suppress(FileNotFoundError):  # the folder was temporary
            os.chdir(folder)
