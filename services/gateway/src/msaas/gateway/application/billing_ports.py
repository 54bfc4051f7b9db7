"""What the billing routes read, with the permissions of the user."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msaas.gateway.application.ports import Row


class BillingViews(Protocol):
    async def list_prices(self, user_id: UUID) -> Sequence[Row]: ...

    async def find_subscription(self, user_id: UUID) -> Row | None:
        """Return the account, its granting subscription and its spend limit; None without one."""
        ...
