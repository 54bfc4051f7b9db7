"""The plugin fails a test that leaves something behind, and reports what."""

from pathlib import Path
from typing import Any

import pytest
import redis

pytest_plugins = ["pytester"]

# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.Redis

_SETTINGS = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function"

_HEAD = """
import asyncio
from pathlib import Path
import asyncpg
import pytest
import redis

@pytest.fixture
def client(redis_url, environment):
    Path("environment").write_text(environment)
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client

def leave_pending(client, environment):
    key = f"msaas:{environment}:stream:jobs.commands.v1"
    client.xgroup_create(key, "jobs", "0", mkstream=True)
    client.xadd(key, {"a": 1})
    client.xreadgroup("jobs", "me", {key: ">"})
"""

_LEAKS = """
def test_key(client, environment):
    client.set(f"msaas:{environment}:cache:forgotten", 1)

def test_pending(client, environment):
    leave_pending(client, environment)

async def test_task():
    asyncio.create_task(asyncio.sleep(60), name="forgotten task")
"""

_TIDY = """
def test_permanent_key(client, environment):
    client.xadd(f"msaas:{environment}:stream:jobs.events.v1", {"a": 1})

@pytest.mark.leaves("pending")
def test_that_says_so(client, environment):
    leave_pending(client, environment)

async def test_finished_task():
    await asyncio.create_task(asyncio.sleep(0))

def test_key_that_ends(client, environment):
    client.set(f"msaas:{environment}:cache:ends", 1, ex=60)
"""

_SHARED = """
@pytest.mark.parametrize("number", range(8))
async def test_it(database_url, redis_url, number):
    connection = await asyncpg.connect(database_url)
    await connection.execute("create table t (x int)")
    await connection.close()
    with Path("seen").open("a") as seen:
        print(redis_url, file=seen)
"""


def _run(pytester: pytest.Pytester, body: str, *options: str) -> pytest.RunResult:
    """Run a small suite of its own under the plugin."""
    pytester.makeconftest('pytest_plugins = ["msaas.testing.plugin"]')
    pytester.makeini(_SETTINGS)
    pytester.makepyfile(test_it=_HEAD + body)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)


def test_what_is_left_behind_fails_its_test_by_name(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setenv("MSAAS_TEST_REDIS_URL", redis_url)
    result = _run(pytester, _LEAKS, "-n0")
    result.assert_outcomes(passed=3, errors=3)
    for line in ("(keys)*:forgotten*", "(pending)*jobs.commands.v1 jobs: 1*", "forgotten task*"):
        result.stdout.fnmatch_lines([f"*left *{line}"])


def test_what_may_stay_passes_and_is_removed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setenv("MSAAS_TEST_REDIS_URL", redis_url)
    _run(pytester, _TIDY, "-n0").assert_outcomes(passed=4)
    environment = Path(pytester.path / "environment").read_text()
    with _Redis.from_url(redis_url) as client:
        assert client.keys(f"msaas:{environment}:*") == []


def test_workers_share_one_pair_of_servers_that_ends_with_the_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, world_readable_folder: Path
) -> None:
    for name in ("MSAAS_TEST_REDIS_URL", "MSAAS_TEST_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(world_readable_folder))
    _run(pytester, _SHARED, "-n2").assert_outcomes(passed=8)
    seen = (pytester.path / "seen").read_text().split()
    assert (len(seen), len(set(seen))) == (8, 1)
    assert list(world_readable_folder.iterdir()) == []
