"""Relays the text of an answer while it is written, in parts that are not too small."""

import re
from typing import Final

from msaas.agents.application.ports import Run
from msaas.agents.application.run_ports import TokenStream
from msaas.kernel import Clock

INTERVAL: Final = 0.05
MAX_PART: Final = 4_000


class TokenRelay:
    def __init__(self, stream: TokenStream, run: Run, key: str, clock: Clock) -> None:
        self._stream = stream
        self._run = run
        self._call = name_call(key)
        self._clock = clock
        self._offset = 0
        self._pending = ""
        self._sent_at = 0.0

    async def __call__(self, text: str) -> None:
        self._pending += text
        if self._clock.monotonic() - self._sent_at >= INTERVAL:
            await self.flush()

    async def flush(self) -> None:
        while self._pending:
            part, self._pending = self._pending[:MAX_PART], self._pending[MAX_PART:]
            await self._stream.send(self._run, self._call, self._offset, part)
            self._offset += len(part)
        self._sent_at = self._clock.monotonic()


def name_call(key: str) -> str:
    """Return the key as an identifier, as messages carry it."""
    name = re.sub(r"[^a-z0-9_.]", "_", key.lower())
    return name if name[:1].isalpha() else f"call_{name}"
