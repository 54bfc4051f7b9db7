"""The commands about dead letters on the topic jobs.commands."""

from collections.abc import Sequence
from typing import Final

from msaas.contracts import (
    ListDeadLetters,
    ReplayDeadLetters,
    ResolveDeadLetters,
    ShowDeadLetter,
)
from msaas.jobs.application.dead_letters_ports import DeadLetterRow, DeadLetterStore
from msaas.jobs.application.replay_dead_letters import DeadLetterReplayer, DeadLetterResolver
from msaas.jobs.domain.errors import DeadLetterNotFound
from msaas.messaging import Delivery, OutgoingMessage
from msaas.telemetry import get_logger

COMMANDS: Final = (ListDeadLetters, ShowDeadLetter, ReplayDeadLetters, ResolveDeadLetters)


class DeadLettersHandler:
    """Handles the commands in their order; each may be handled again."""

    def __init__(
        self, store: DeadLetterStore, replay: DeadLetterReplayer, resolve: DeadLetterResolver
    ) -> None:
        self._store = store
        self._replay = replay
        self._resolve = resolve
        self._log = get_logger()

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        return [outgoing for delivery in batch for outgoing in await self._answer(delivery)]

    async def _answer(self, delivery: Delivery) -> list[OutgoingMessage]:
        match delivery.message:
            case ListDeadLetters() as command:
                return delivery.reply_success(items=await self._store.list_dead_letters(command))
            case ShowDeadLetter() as command:
                found = await self._store.find_dead_letter(command.letter_id)
                return (
                    delivery.reply_success(**found)
                    if found
                    else delivery.reply_error(DeadLetterNotFound())
                )
            case ReplayDeadLetters() as command:
                items, outgoing = await self._replay(command)
                return [*outgoing, *self._accept_items(delivery, items)]
            case ResolveDeadLetters() as command:
                return self._accept_items(delivery, await self._resolve(command))
            case other:
                raise TypeError(f"not about dead letters: {other.type_name()}")

    def _accept_items(
        self, delivery: Delivery, items: Sequence[DeadLetterRow]
    ) -> list[OutgoingMessage]:
        refused = sum(not item["ok"] for item in items)
        command = delivery.message.type_name()
        self._log.info("dead_letters_answered", command=command, count=len(items), refused=refused)
        return delivery.reply_success(items=items)
