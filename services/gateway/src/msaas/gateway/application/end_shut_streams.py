"""Ends the streams of accounts that were banned or erased while somebody watched."""

from collections.abc import Awaitable, Callable, Collection
from uuid import UUID

from msaas.gateway.application.live_jobs import LiveJobs

FindShut = Callable[[Collection[UUID]], Awaitable[Collection[UUID]]]


class EndShutStreams:
    """One query for all who watch; where it fails, that is no reason to end anything."""

    def __init__(self, live: LiveJobs, find_shut: FindShut) -> None:
        self._live = live
        self._find_shut = find_shut

    async def __call__(self) -> None:
        if watching := self._live.watching:
            for user_id in await self._find_shut(watching):
                self._live.shut(user_id)
