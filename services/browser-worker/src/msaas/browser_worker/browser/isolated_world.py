"""Runs our scripts in a page, in a world of their own that scripts of the page cannot reach.

Both worlds share the document. The page's changes of prototypes and globals apply to its own only,
so they cannot decide what our scripts measure, cut and return.
"""

from typing import Any, Final, cast

from playwright.async_api import CDPSession, Page
from playwright.async_api import Error as PlaywrightError

_WORLD: Final = "msaas"
_LOST_CONTEXT_PHRASES: Final = (
    *("Execution context was destroyed", "Cannot find context", "Inspected target navigated"),
    *("No frame for given id", "Frame with the given id", "Could not create isolated world"),
)


class ScriptFailed(Exception):
    """A script of ours raised an error on this page, whose text is not kept."""


class IsolatedWorld:
    """The main frame of one page; `close` is not needed, as the page closes its sessions."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._session: CDPSession | None = None

    async def call(self, function: str, *arguments: object) -> Any:
        """Return what a function gives that is written in JavaScript, as JSON."""
        tree = await self._send("Page.getFrameTree", {})
        frame = {"frameId": tree["frameTree"]["frame"]["id"], "worldName": _WORLD}
        world = await self._send("Page.createIsolatedWorld", frame)
        answer = await self._send(
            "Runtime.callFunctionOn",
            {
                "functionDeclaration": function,
                "executionContextId": world["executionContextId"],
                "arguments": [{"value": argument} for argument in arguments],
                "returnByValue": True,
            },
        )
        if "exceptionDetails" in answer:
            raise ScriptFailed
        return answer["result"].get("value")

    async def _send(self, method: str, parameters: dict[str, Any]) -> Any:
        if self._session is None:
            self._session = await self._page.context.new_cdp_session(self._page)
        return cast("Any", await self._session.send(method, parameters))  # pyright: ignore[reportUnknownMemberType]  # a dict of anything


def is_lost_context(error: PlaywrightError) -> bool:
    """Return whether the page navigated while it was read."""
    return any(phrase in error.message for phrase in _LOST_CONTEXT_PHRASES)
