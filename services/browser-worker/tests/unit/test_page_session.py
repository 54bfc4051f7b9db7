"""A page that navigates while it is read."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from playwright.async_api import Error, Page

from msaas.browser_worker.actions.base import Visit
from msaas.browser_worker.actions.navigation import NavigateAndExtractTextAction
from msaas.browser_worker.egress.policy import EgressPolicy
from msaas.browser_worker.egress.proxy import EgressProxy, EgressProxyFactory
from msaas.browser_worker.engine import Engine
from msaas.contracts import EchoParams, NavigateAndExtractTextParams, Progress, ValueObject
from msaas.kernel import SystemClock
from msaas.telemetry import Metrics
from msaas.testing import build_job_envelope
from msaas.worker import RunContext

URL = "http://example.com/"
PROXIES = EgressProxyFactory(EgressPolicy(), Metrics("test", "test"))


class NavigatingPage:
    """Navigates a number of times before it can be read."""

    url = URL

    def __init__(self, times: int) -> None:
        self.navigations_left = times
        self.loads = 0

    def on(self, event: str, _listener: Callable[[Any], None]) -> None:
        assert event == "requestfailed"

    async def goto(self, _url: str, **_options: Any) -> None:
        """Return nothing, like a navigation without a response."""

    @property
    def context(self) -> "NavigatingPage":
        return self

    async def new_cdp_session(self, _page: object) -> "NavigatingPage":
        return self

    async def send(self, method: str, _parameters: object) -> Any:
        if method != "Runtime.callFunctionOn":
            return {"frameTree": {"frame": {"id": "1"}}, "executionContextId": 1}
        if self.navigations_left:
            self.navigations_left -= 1
            raise Error("Execution context was destroyed, most likely because of a navigation")
        return {"result": {"value": [["title", "text", False]]}}

    async def wait_for_load_state(self, **_options: Any) -> None:
        self.loads += 1


def visit(page: NavigatingPage, params: ValueObject) -> Visit:
    async def send_progress(_progress: Progress) -> None: ...

    async def is_cancelled() -> bool:
        return False

    run = RunContext(
        build_job_envelope(),
        params,
        clock=SystemClock(),
        timeout=30,
        send_progress=send_progress,
        is_cancelled=is_cancelled,
    )
    return Visit(cast("Page", page), run, EgressProxy(PROXIES))


@pytest.fixture
def action() -> NavigateAndExtractTextAction:
    async def never() -> Any:
        raise AssertionError("nothing is to be launched")

    metrics = Metrics("test", "test")
    engine = Engine(never, slots=1, recycle_after=1, metrics=metrics)
    return NavigateAndExtractTextAction(engine, PROXIES, metrics)


async def test_a_page_that_navigates_is_read_again(action: NavigateAndExtractTextAction) -> None:
    page = NavigatingPage(2)
    result = await action.visit(visit(page, NavigateAndExtractTextParams(url=URL)))
    assert (result.text, result.status, page.loads) == ("text", None, 2)


async def test_a_page_that_never_stops_navigating_fails(
    action: NavigateAndExtractTextAction,
) -> None:
    page = NavigatingPage(100)
    with pytest.raises(Error, match="destroyed"):
        await action.visit(visit(page, NavigateAndExtractTextParams(url=URL)))
    assert page.loads == 2


async def test_parameters_of_another_task_are_an_error(
    action: NavigateAndExtractTextAction,
) -> None:
    with pytest.raises(TypeError, match="another task"):
        await action.visit(visit(NavigatingPage(0), EchoParams(message="x")))
