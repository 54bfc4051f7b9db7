"""The pytest plugin: real servers, a database and a key prefix per test, leak checks."""

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import uuid4

import pytest
import pytest_asyncio
import structlog
from hypothesis import HealthCheck, settings

from msaas.embedded import EmbeddedServer, PostgresServer, RedisServer
from msaas.testing.clock import FakeClock
from msaas.testing.failed_tests import FailedTests
from msaas.testing.isolation import (
    block_sockets,
    fail_on_leaked_tasks,
    restored_process_state,
)
from msaas.testing.redis_leaks import RedisLeaks
from msaas.testing.redis_users import create_process_users, url_for_process
from msaas.testing.shared_servers import (
    FAST_POSTGRES,
    SharedServers,
    fresh_database,
    read_given_urls,
)
from msaas.testing.timeouts import WorkerTimeouts

ServerT = TypeVar("ServerT", bound=EmbeddedServer)
_SERVERS = pytest.StashKey[SharedServers]()
_WORKER_INPUT_KEY = "msaas_servers"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--failed-to", type=Path, help="a file that the names of failed tests go to")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "leaves(*kinds): this test may leave `keys`, `pending` or `tasks` behind"
    )
    config.addinivalue_line("markers", "slow: loads the whole machine for a minute or more")
    # A machine that is busy is no bug: examples have no deadline, tests have their timeout.
    settings.register_profile("msaas", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("msaas")
    # The default draws 1,200 coloured lines for an error, and so stops the event loop for seconds.
    structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback
    given: dict[str, Any] = getattr(config, "workerinput", {})
    config.stash[_SERVERS] = SharedServers(given.get(_WORKER_INPUT_KEY) or read_given_urls())
    failed_to: Path | None = config.getoption("failed_to")
    if given:
        config.pluginmanager.register(WorkerTimeouts())
    elif failed_to:
        config.pluginmanager.register(FailedTests(failed_to))


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_SERVERS].stop()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand every xdist worker the addresses of the controller's servers."""
    servers = cast("pytest.Config", node.config).stash[_SERVERS]
    node.workerinput[_WORKER_INPUT_KEY] = servers.urls


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from msaas.testing.grouping import make_scheduler  # late: not every run has xdist

    return make_scheduler(config, log) if config.getoption("dist") == "loadgroup" else None


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> SharedServers:
    return request.config.stash[_SERVERS]


@pytest.fixture(scope="session")
def redis_url(servers: SharedServers) -> str:
    return servers.redis_url


@pytest.fixture
def redis_url_for(redis_url: str) -> Callable[[str], str]:
    """Return the address of Redis with the user of a process, which may do what its topics need."""
    create_process_users(redis_url)
    return partial(url_for_process, redis_url)


@pytest.fixture(scope="session")
def postgres_url(servers: SharedServers) -> str:
    """Superuser address of the shared server."""
    return servers.postgres_url


@pytest.fixture
def environment(request: pytest.FixtureRequest, redis_url: str) -> Iterator[str]:
    """Return a key prefix of this test alone; keys left under it fail the test."""
    name = f"t{uuid4().hex[:16]}"
    yield name
    leaks = RedisLeaks(redis_url, name)
    found = {"keys": leaks.list_keys_without_ttl(), "pending": leaks.list_pending()}
    leaks.remove()
    for kind, left in found.items():
        if left and not _may_leave(request, kind):
            pytest.fail(f"left in Redis ({kind}): {left}", pytrace=False)


@pytest_asyncio.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    async with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture
def private_redis(servers: SharedServers) -> Iterator[Callable[..., RedisServer]]:
    """Return a factory of started Redis servers that a test may kill, cut and restart."""
    with _factory(RedisServer, servers) as start:
        yield start


@pytest.fixture
def private_postgres(servers: SharedServers) -> Iterator[Callable[..., PostgresServer]]:
    """Return a factory of started Postgres servers that a test may kill and restart."""
    with _factory(PostgresServer, servers, config=FAST_POSTGRES) as start:
        yield start


@contextmanager
def _factory(
    make: Callable[..., ServerT], servers: SharedServers, **defaults: Any
) -> Generator[Callable[..., ServerT]]:
    made: list[ServerT] = []

    def start(**options: Any) -> ServerT:
        made.append(make(servers.new_folder("server"), **{**defaults, **options}))
        made[-1].start(timeout=60)
        return made[-1]

    yield start
    for server in made:
        server.kill()


@pytest.fixture
def world_readable_folder(servers: SharedServers) -> Path:
    """Return a new folder that any user may enter, where root's Postgres can live too."""
    folder = servers.new_folder("folder")
    folder.mkdir(mode=0o711)
    return folder


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(autouse=True, scope="module")
def _modules_restore_the_process() -> Iterator[None]:
    with restored_process_state():
        yield


@pytest.fixture(autouse=True)
def _tests_restore_the_process() -> Iterator[None]:
    with restored_process_state():
        yield


@pytest.fixture(autouse=True)
def _unit_tests_stay_off_the_network(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "unit" in request.path.parts:
        block_sockets(monkeypatch)


@pytest.fixture(autouse=True)
def _async_tests_leave_no_task(request: pytest.FixtureRequest) -> None:
    is_async = isinstance(request.node, pytest.Function) and pytest_asyncio.is_async_test(
        request.node
    )
    if is_async and not _may_leave(request, "tasks"):
        request.getfixturevalue("_no_task_left")


@pytest_asyncio.fixture
async def _no_task_left() -> AsyncIterator[None]:
    async with fail_on_leaked_tasks():
        yield


def _may_leave(request: pytest.FixtureRequest, kind: str) -> bool:
    node = cast("pytest.Item", request.node)
    return any(kind in mark.args for mark in node.iter_markers("leaves"))
