"""Ends the streams that were opened with an API key once the key is revoked or expired."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

from msaas.gateway.application.key_ports import KeyLookup
from msaas.kernel import Clock, MsaasError, SystemClock

# How long streams stay open while their keys cannot be checked.
MAX_UNVERIFIED_SECONDS: Final = 60.0

EndStream = Callable[[], None]


class ApiKeyStreams:
    def __init__(self, keys: KeyLookup, *, clock: Clock | None = None) -> None:
        self._keys = keys
        self._clock = clock or SystemClock()
        self._end_callbacks: defaultdict[UUID, list[EndStream]] = defaultdict(list)
        self._checked_at = self._clock.monotonic()

    def register(self, key_id: UUID, end_stream: EndStream) -> EndStream:
        """Return the function to call when the stream has ended otherwise."""
        self._end_callbacks[key_id].append(end_stream)

        def unregister() -> None:
            ends = self._end_callbacks.get(key_id, [])
            if end_stream in ends:
                ends.remove(end_stream)
            if not ends:
                self._end_callbacks.pop(key_id, None)

        return unregister

    async def end_inactive(self) -> None:
        """End the streams of inactive keys; end all if the checks fail for too long."""
        key_ids = list(self._end_callbacks)
        try:
            inactive = await self._keys.find_inactive(key_ids) if key_ids else ()
        except MsaasError:
            if self._clock.monotonic() - self._checked_at > MAX_UNVERIFIED_SECONDS:
                self._end_streams(key_ids)
            raise
        self._checked_at = self._clock.monotonic()
        self._end_streams(inactive)

    def end(self, key_id: UUID) -> None:
        self._end_streams([key_id])

    def _end_streams(self, key_ids: Iterable[UUID]) -> None:
        for key_id in key_ids:
            for end in self._end_callbacks.pop(key_id, ()):
                end()
