"""The topic billing.events: the plans of users."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

from msaas.contracts import SubscriptionChanged
from msaas.messaging import Delivery, OutgoingMessage

TOPIC: Final = "billing.events"

SetPlans = Callable[[Mapping[UUID, SubscriptionChanged]], Awaitable[Sequence[UUID]]]


class BillingEventHandler:
    """Stores the newest plan of each user; other billing events are ignored."""

    def __init__(self, set_plans: SetPlans, on_change: Callable[[UUID], None]) -> None:
        self._set_plans = set_plans
        self._on_change = on_change

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        newest: dict[UUID, SubscriptionChanged] = {}
        for delivery in batch:
            match delivery.message:
                case SubscriptionChanged() as change:
                    newest_change = newest.get(change.user_id, change)
                    newest[change.user_id] = max(
                        newest_change, change, key=lambda event: event.version
                    )
                case _:
                    continue
        for user_id in await self._set_plans(newest) if newest else ():
            self._on_change(user_id)
        return ()
