"""The port of what operators look up."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msaas.gateway.application.ports import Row
from msaas.gateway.domain.page_cursor import PageCursor


class OperatorViews(Protocol):
    async def list_users(self, search: str, before: PageCursor | None, limit: int) -> Sequence[Row]:
        """List those whose e-mail or name has the search in it, or with this id; newest first."""
        ...

    async def list_audit(
        self, action: str | None, about: UUID | None, before: PageCursor | None, limit: int
    ) -> Sequence[Row]:
        """List the newest entries first, optionally those about a target or by an actor."""
        ...
