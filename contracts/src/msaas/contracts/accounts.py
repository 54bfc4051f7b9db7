"""The message that tells open dashboards of a change to a user's account."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from msaas.contracts.message import Message, OnFull
from msaas.contracts.sse import AccountFrame


class AccountChanged(Message, on_full=OnFull.SKIP):
    """A versioned snapshot of plan and quota, published when a plan is applied."""

    user_id: UUID
    version: Annotated[int, Field(ge=1, le=2**63 - 1)]
    account: AccountFrame
