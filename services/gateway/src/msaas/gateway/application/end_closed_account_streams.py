"""Ends the streams of accounts that were banned or erased."""

from collections.abc import Awaitable, Callable, Collection
from uuid import UUID

from msaas.gateway.application.job_event_hub import JobEventHub

FindClosedAccounts = Callable[[Collection[UUID]], Awaitable[Collection[UUID]]]


class EndClosedAccountStreams:
    """Checks all connected users in one query; no stream ends when the query fails."""

    def __init__(self, event_hub: JobEventHub, find_closed_accounts: FindClosedAccounts) -> None:
        self._event_hub = event_hub
        self._find_closed_accounts = find_closed_accounts

    async def __call__(self) -> None:
        if user_ids := self._event_hub.connected_users:
            for user_id in await self._find_closed_accounts(user_ids):
                self._event_hub.end_account(user_id)
