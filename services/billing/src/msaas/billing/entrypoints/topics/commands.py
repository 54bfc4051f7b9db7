"""The topic billing.commands: commands of users, and messages of billing to itself."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msaas.billing.application.apply_stripe_events import ApplyStripeEvents
from msaas.billing.application.manage_subscription import Answer, ManageSubscription
from msaas.billing.application.ports import Accounts, Inbox
from msaas.billing.application.refresh_account import RefreshAccount
from msaas.billing.domain.accounts import Account
from msaas.billing.domain.errors import EventNotFound
from msaas.billing.entrypoints.topics.metering import MeteringHandler
from msaas.billing.entrypoints.topics.proving import ProvingHandler
from msaas.contracts import (
    ApplyStripeEvent,
    ChangePlan,
    CorrectUsage,
    Message,
    OpenCheckout,
    OpenPortal,
    PreviewInvoice,
    ProveInvoice,
    ReconcileUsage,
    ReplayStripeEvent,
    ReportUsage,
    SetSpendLimit,
)
from msaas.contracts import RefreshAccount as RefreshCommand
from msaas.kernel import MsaasError, derive_id
from msaas.messaging import Delivery, OutgoingMessage
from msaas.postgres import DatabaseUnavailable
from msaas.telemetry import get_logger

TOPIC: Final = "billing.commands"
EVENTS: Final = "billing.events"
MAX_BATCH: Final = 32
"""The commands of a batch run at the same time, and each waits for Stripe."""

UserCommand = OpenCheckout | OpenPortal | ChangePlan | SetSpendLimit


class CommandsHandler:
    def __init__(
        self,
        manage: ManageSubscription,
        apply: ApplyStripeEvents,
        refresh: RefreshAccount,
        accounts: Accounts,
        inbox: Inbox,
        *,
        metering: MeteringHandler,
        proving: ProvingHandler,
    ) -> None:
        self._manage = manage
        self._apply = apply
        self._refresh = refresh
        self._accounts = accounts
        self._inbox = inbox
        self._metering = metering
        self._proving = proving
        self._log = get_logger()

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        events = [each for each in batch if isinstance(each.message, ApplyStripeEvent)]
        others = [each for each in batch if not isinstance(each.message, ApplyStripeEvent)]
        parts = await asyncio.gather(
            self._apply_events(events), *(self._handle(each) for each in others)
        )
        return [message for part in parts for message in part]

    async def _apply_events(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        if not batch:
            return []
        ids = [
            each.message.event_id for each in batch if isinstance(each.message, ApplyStripeEvent)
        ]
        accounts = await self._apply(ids)
        return [message for account in accounts for message in self._publish(batch[0], account)]

    async def _handle(self, delivery: Delivery) -> list[OutgoingMessage]:
        message = delivery.message
        try:
            match message:
                case RefreshCommand(user_id=user_id):
                    account = await self._accounts.find(user_id=user_id)
                    answer = Answer(data={}, account=account and await self._refresh(account))
                case ReplayStripeEvent(event_id=event_id):
                    return await self._replay(delivery, event_id)
                case (
                    ReportUsage()
                    | CorrectUsage()
                    | PreviewInvoice()
                    | ProveInvoice()
                    | ReconcileUsage()
                ):
                    return await self._handle_usage(delivery, message)
                case OpenCheckout() | OpenPortal() | ChangePlan() | SetSpendLimit():
                    answer = await self._manage_user(message)
                case _:
                    raise TypeError(f"{TOPIC} does not carry {message.type_name()}")
        except DatabaseUnavailable:
            raise  # nothing is answered: the batch is tried again
        except MsaasError as error:
            self._log.info("command_refused", command=message.type_name(), code=error.code)
            return delivery.reply_error(error)
        self._log.info("command_handled", command=message.type_name())
        outgoing = delivery.reply_success(**answer.data)
        if answer.account is not None:
            outgoing += self._publish(delivery, answer.account)
        return outgoing

    async def _handle_usage(
        self,
        delivery: Delivery,
        message: ReportUsage | CorrectUsage | PreviewInvoice | ProveInvoice | ReconcileUsage,
    ) -> list[OutgoingMessage]:
        if isinstance(message, ProveInvoice | ReconcileUsage):
            return await self._proving(delivery, message)
        return await self._metering(delivery, message)

    async def _manage_user(self, command: UserCommand) -> Answer:
        handlers: dict[type[Message], Callable[[Any], Awaitable[Answer]]] = {
            OpenCheckout: self._manage.open_checkout,
            OpenPortal: self._manage.open_portal,
            ChangePlan: self._manage.change_plan,
            SetSpendLimit: self._manage.set_spend_limit,
        }
        return await handlers[type(command)](command)

    async def _replay(self, delivery: Delivery, event_id: str) -> list[OutgoingMessage]:
        if not delivery.is_redelivery and not await self._inbox.reopen(event_id):
            return delivery.reply_error(EventNotFound())
        return [
            *delivery.reply_success(),
            delivery.emit(TOPIC, ApplyStripeEvent(event_id=event_id)),
        ]

    def _publish(self, delivery: Delivery, account: Account) -> list[OutgoingMessage]:
        change = self._refresh.build_change(account, datetime.now(UTC))
        if change is None:
            return []
        return [delivery.emit(EVENTS, change, id=derive_id(change.user_id, change.version))]
