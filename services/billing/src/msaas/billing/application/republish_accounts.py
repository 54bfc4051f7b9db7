"""Publishes the present plan of every customer again: Redis may have lost what was published."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msaas.billing.application.cron import Publisher
from msaas.billing.application.ports import Accounts
from msaas.billing.application.refresh_account import RefreshAccount
from msaas.kernel import derive_id

EVENTS: Final = "billing.events"
PAGE: Final = 500


class RepublishAccounts:
    """Snapshots are versioned, so that those who know them already change nothing."""

    def __init__(self, accounts: Accounts, refresh: RefreshAccount, publisher: Publisher) -> None:
        self._accounts = accounts
        self._refresh = refresh
        self._publisher = publisher

    async def __call__(self, _epoch: str = "") -> None:
        after: UUID | None = None
        while page := await self._accounts.list_page(after, PAGE):
            for account in page:
                now = datetime.now().astimezone()
                if change := self._refresh.build_change(account, now):
                    correlation_id = str(derive_id(account.id, account.published_version))
                    await self._publisher.publish(EVENTS, change, correlation_id=correlation_id)
            after = page[-1].id
