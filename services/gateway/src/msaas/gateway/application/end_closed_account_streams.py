"""Ends the streams of accounts that were banned or erased."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from uuid import UUID

from msaas.gateway.application.job_event_hub import JobEventHub

FindClosedAccounts = Callable[[Collection[UUID]], Awaitable[Collection[UUID]]]


class EndClosedAccountStreams:
    """Checks all connected users in one query; no stream ends when the query fails."""

    def __init__(
        self, hubs: Sequence[JobEventHub], find_closed_accounts: FindClosedAccounts
    ) -> None:
        self._hubs = hubs
        self._find_closed_accounts = find_closed_accounts

    async def __call__(self) -> None:
        user_ids = {user_id for hub in self._hubs for user_id in hub.connected_users}
        for user_id in await self._find_closed_accounts(user_ids) if user_ids else ():
            for hub in self._hubs:
                hub.end_account(user_id)
