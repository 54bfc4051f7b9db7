"""Shows the text of an answer while it is written."""

import asyncio
from typing import Final

from msaas.agents.application.ports import OnToken
from msaas.telemetry import get_logger

_SHOW_SECONDS: Final = 2.0


class TokenRelay:
    """Passes on the text of one request after the other as one text that only grows.

    A request that begins anew says the same again, which is left out; where it says something else,
    nothing more is shown. A display that fails or is slow ends the display, not the call.
    """

    def __init__(self, on_token: OnToken | None) -> None:
        self._on_token = on_token
        self._shown = ""
        self._written = ""

    def begin(self) -> None:
        self._written = ""

    async def __call__(self, text: str) -> None:
        self._written += text
        if self._on_token is None or not self._written.startswith(self._shown):
            return
        news, self._shown = self._written[len(self._shown) :], self._written
        try:
            if news:
                async with asyncio.timeout(_SHOW_SECONDS):
                    await self._on_token(news)
        except Exception as error:  # noqa: BLE001  # a display decides nothing
            self._on_token = None
            get_logger().warning("token_display_failed", error_type=type(error).__name__)
