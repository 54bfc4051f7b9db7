"""Looks after all open streams, so that none needs a timer or a query of its own."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from uuid import UUID

from msaas.gateway.application.live_jobs import LiveJobs
from msaas.kernel import MsaasError
from msaas.telemetry import get_logger

LOOK_EVERY = 10.0

FindShut = Callable[[Collection[UUID]], Awaitable[Collection[UUID]]]


class StreamAttendant:
    def __init__(
        self, live: LiveJobs, find_shut: FindShut, *, look_every: float = LOOK_EVERY
    ) -> None:
        self._live = live
        self._find_shut = find_shut
        self._look_every = look_every
        self._log = get_logger()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._attend(), name="streams attended")
            group.create_task(self._look(), name="accounts looked at")

    async def _attend(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._live.attend(time.monotonic())

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._look_every)
            await self.end_shut()

    async def end_shut(self) -> None:
        """End the streams of accounts that were banned or erased while somebody watched."""
        if not (watching := self._live.watching):
            return
        try:
            shut = await self._find_shut(watching)
        except MsaasError as error:  # no answer is no reason to end anything
            self._log.warning("stream_accounts_unseen", error=type(error).__name__)
            return
        for user_id in shut:
            self._live.shut(user_id)
