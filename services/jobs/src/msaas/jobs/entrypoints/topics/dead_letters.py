"""What operators and the timer say of dead letters on jobs.commands, apart from jobs' own."""

from collections.abc import Sequence
from typing import Any, Final

from msaas.contracts import (
    ListDeadLetters,
    ReplayDeadLetters,
    ResolveDeadLetters,
    ShowDeadLetter,
)
from msaas.jobs.application.dead_letters_ports import DeadLetterStore
from msaas.jobs.application.replay_dead_letters import DeadLetterReplayer
from msaas.jobs.application.resolve_dead_letters import DeadLetterResolver
from msaas.jobs.domain.errors import DeadLetterNotFound
from msaas.messaging import BatchHandler, Delivery, OutgoingMessage
from msaas.telemetry import get_logger

COMMANDS: Final = (ListDeadLetters, ShowDeadLetter, ReplayDeadLetters, ResolveDeadLetters)


class DeadLettersHandler:
    """One after the other: they are few, and each may be repeated."""

    def __init__(
        self, store: DeadLetterStore, replay: DeadLetterReplayer, resolve: DeadLetterResolver
    ) -> None:
        self._store = store
        self._replay = replay
        self._resolve = resolve
        self._log = get_logger()

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        return [one for delivery in batch for one in await self._answer(delivery)]

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
        self, delivery: Delivery, items: Sequence[dict[str, Any]]
    ) -> list[OutgoingMessage]:
        refused = sum(not one["ok"] for one in items)
        command = delivery.message.type_name()
        self._log.info("dead_letters_answered", command=command, count=len(items), refused=refused)
        return delivery.reply_success(items=items)


class CommandsRouter:
    """Hands each half of a batch to who knows it; both may be told the same again."""

    def __init__(self, jobs: BatchHandler, dead_letters: BatchHandler) -> None:
        self._jobs = jobs
        self._dead_letters = dead_letters

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        dead_letters = [one for one in batch if isinstance(one.message, COMMANDS)]
        jobs = [one for one in batch if not isinstance(one.message, COMMANDS)]
        outgoing = list(await self._jobs(jobs)) if jobs else []
        return [*outgoing, *(await self._dead_letters(dead_letters) if dead_letters else ())]
