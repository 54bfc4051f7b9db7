"""A fleet for these tests, and fixtures to sign in to it and to audit it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from msaas.cli.audit import audit_url, format_results, has_violations
from msaas.dev.abuse import HOSTILE_SETTINGS
from msaas.dev.chaos import IsolatedFleet, sign_in_new_user
from msaas.local import Home
from msaas.local.api_client import ApiClient
from msaas.testing.shared_servers import SharedServers

_SECONDS_WITH_START = 900


@pytest.fixture(scope="session")
def fleet(servers: SharedServers) -> Iterator[IsolatedFleet]:
    folder: Path = servers.new_folder("fleet")
    folder.mkdir(mode=0o711)
    fleet = IsolatedFleet(Home(folder / "home"))
    fleet.environment.update(HOSTILE_SETTINGS)
    fleet.start()
    yield fleet
    fleet.local("down")


@pytest.fixture
def audit(fleet: IsolatedFleet) -> Callable[[], Awaitable[None]]:
    """Return a check that each completed job is charged exactly once."""

    async def audit_() -> None:
        examined = await audit_url(fleet.url("postgres"))
        assert not has_violations(examined), "\n".join(format_results(examined))

    return audit_


@pytest_asyncio.fixture
async def sign_in(fleet: IsolatedFleet) -> AsyncIterator[Callable[..., Awaitable[ApiClient]]]:
    """Return a function that signs in a new user with a plan."""
    async with AsyncExitStack() as stack:

        async def sign_in_(plan: str = "ENTERPRISE") -> ApiClient:
            return await stack.enter_async_context(sign_in_new_user(fleet, plan))

        yield sign_in_


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave each test the time in which a busy machine starts the fleet: one of them is first."""
    mark = item.get_closest_marker("timeout")
    if mark is None or mark.args[0] < _SECONDS_WITH_START:
        item.add_marker(pytest.mark.timeout(_SECONDS_WITH_START), append=False)
