"""A test that fails, times out or changes its process harms no test after it."""

import pytest

pytest_plugins = ["pytester"]

_SETTINGS = """
[pytest]
addopts = -p no:schemathesis
asyncio_mode = auto
asyncio_default_fixture_loop_scope = module
"""

_SHARED_SERVICE = """
import asyncio
import os
import time

import pytest
import pytest_asyncio
import asyncpg

pytestmark = pytest.mark.asyncio(loop_scope="module")

@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service():
    requests = asyncio.Queue()

    async def serve():
        while True:
            answer = await requests.get()
            answer.set_result("answered")

    task = asyncio.create_task(serve())
    yield requests
    assert not task.done(), "the service was broken by an earlier test"
    task.cancel()

async def call(service):
    answer = asyncio.get_running_loop().create_future()
    await service.put(answer)
    return await answer
"""

_TIMEOUT = (
    _SHARED_SERVICE
    + """
@pytest_asyncio.fixture
async def table(database_url):
    connection = await asyncpg.connect(database_url)
    await connection.execute("create table only_here (id int)")
    await connection.close()

HANGS = pytest.param(4, marks=pytest.mark.timeout(3, func_only=True))

@pytest.mark.leaves("tasks")
@pytest.mark.parametrize("number", [0, 1, 2, 3, HANGS, 5])
async def test_call(service, number, table):
    if number == 4:
        time.sleep(600)
    assert await call(service) == "answered"
"""
)

_ENVIRONMENT = """
import os
import shutil
import pytest

FOLDER = os.getcwd()

def test_that_changes_everything_and_fails(tmp_path):
    os.environ["PATH"] = ""
    os.environ["ADDED"] = "1"
    del os.environ["HOME"]
    os.chdir(tmp_path)
    shutil.rmtree(tmp_path)
    raise ValueError

def test_after_it():
    assert shutil.which("sh")
    assert "ADDED" not in os.environ
    assert "HOME" in os.environ
    assert os.getcwd() == FOLDER

@pytest.fixture
def broken_teardown():
    yield
    os.environ["PATH"] = ""
    raise ValueError

def test_with_a_broken_teardown(broken_teardown):
    pass

def test_after_the_broken_teardown():
    assert shutil.which("sh")
"""

_LOGGING = """
import logging
import sys
import pytest
import uvicorn

@pytest.mark.parametrize("number", range(2))
def test_that_configures_everything_and_fails(number):
    uvicorn.Config("app", log_level="error", access_log=False)
    logging.getLogger("of_a_library").disabled = True
    logging.root.handlers[:] = [logging.StreamHandler()]
    logging.root.setLevel("CRITICAL")
    sys.excepthook = None
    raise ValueError

def test_after_it(caplog):
    for name in ("uvicorn.access", "uvicorn.error", "of_a_library"):
        logging.getLogger(name).warning("written by %s", name)
        assert f"written by {name}" in caplog.text
    assert logging.root.level == logging.WARNING
    assert sys.excepthook is sys.__excepthook__
"""

_MODULE_WIDE = """
import os
import pytest

@pytest.fixture(scope="module", autouse=True)
def variable():
    os.environ["FOR_THE_MODULE"] = "1"

def test_first():
    assert os.environ["FOR_THE_MODULE"] == "1"

def test_second():
    assert os.environ["FOR_THE_MODULE"] == "1"
"""

_NEXT_MODULE = """
import os

def test_next_module():
    assert "FOR_THE_MODULE" not in os.environ
"""


def _prepare(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["msaas.testing.plugin"]')
    pytester.makeini(_SETTINGS)


@pytest.mark.timeout(300)  # it starts up to five interpreters
@pytest.mark.parametrize("workers", [1, 2])
def test_tests_after_a_timeout_run_in_a_new_worker(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    redis_url: str,
    postgres_url: str,
    workers: int,
) -> None:
    monkeypatch.setenv("MSAAS_TEST_REDIS_URL", redis_url)
    monkeypatch.setenv("MSAAS_TEST_DATABASE_URL", postgres_url)
    _prepare(pytester)
    pytester.makepyfile(test_it=_TIMEOUT)
    options = ("-p", "no:cacheprovider", f"-n{workers}", "--dist=loadgroup")
    result = pytester.runpytest_subprocess(*options)
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["*crashed while running*test_call?4?*"])
    result.stderr.fnmatch_lines(["*Timeout*", "*in test_call*"])


def test_environment_and_folder_are_restored_after_a_failure(pytester: pytest.Pytester) -> None:
    _prepare(pytester)
    pytester.makepyfile(test_it=_ENVIRONMENT)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-n0")
    result.assert_outcomes(passed=3, failed=1, errors=1)


def test_logging_is_restored_after_a_failure(pytester: pytest.Pytester) -> None:
    _prepare(pytester)
    pytester.makepyfile(test_it=_LOGGING)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-n0")
    result.assert_outcomes(passed=1, failed=2)


def test_a_variable_set_for_a_module_lasts_as_long_as_the_module(
    pytester: pytest.Pytester,
) -> None:
    _prepare(pytester)
    pytester.makepyfile(test_a=_MODULE_WIDE, test_b=_NEXT_MODULE)
    pytester.runpytest_subprocess("-p", "no:cacheprovider", "-n0").assert_outcomes(passed=3)
