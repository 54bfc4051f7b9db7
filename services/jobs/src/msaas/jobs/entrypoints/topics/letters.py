"""What operators and the timer say of dead letters on jobs.commands, apart from jobs' own."""

from collections.abc import Sequence
from typing import Any, Final

from msaas.contracts import (
    ListDeadLetters,
    ReplayDeadLetters,
    ResolveDeadLetters,
    ShowDeadLetter,
)
from msaas.jobs.application.letters_ports import LetterStore
from msaas.jobs.application.replay_letters import ReplayLetters
from msaas.jobs.application.resolve_letters import ResolveLetters
from msaas.jobs.domain.errors import LetterUnknown
from msaas.messaging import BatchHandler, Delivery, Outgoing
from msaas.telemetry import get_logger

COMMANDS: Final = (ListDeadLetters, ShowDeadLetter, ReplayDeadLetters, ResolveDeadLetters)


class LettersHandler:
    """One after the other: they are few, and each may be repeated."""

    def __init__(self, store: LetterStore, replay: ReplayLetters, resolve: ResolveLetters) -> None:
        self._store = store
        self._replay = replay
        self._resolve = resolve
        self._log = get_logger()

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[Outgoing]:
        return [one for delivery in batch for one in await self._answer(delivery)]

    async def _answer(self, delivery: Delivery) -> list[Outgoing]:
        match delivery.message:
            case ListDeadLetters() as command:
                return delivery.accept(items=await self._store.list_letters(command))
            case ShowDeadLetter() as command:
                found = await self._store.find_letter(command.letter_id)
                return delivery.accept(**found) if found else delivery.refuse(LetterUnknown())
            case ReplayDeadLetters() as command:
                items, outgoing = await self._replay(command)
                return [*outgoing, *self._tell(delivery, items)]
            case ResolveDeadLetters() as command:
                return self._tell(delivery, await self._resolve(command))
            case other:
                raise TypeError(f"not about dead letters: {other.type_name()}")

    def _tell(self, delivery: Delivery, items: Sequence[dict[str, Any]]) -> list[Outgoing]:
        refused = sum(not one["ok"] for one in items)
        command = delivery.message.type_name()
        self._log.info("letters_answered", command=command, count=len(items), refused=refused)
        return delivery.accept(items=items)


class CommandsRouter:
    """Hands each half of a batch to who knows it; both may be told the same again."""

    def __init__(self, jobs: BatchHandler, letters: BatchHandler) -> None:
        self._jobs = jobs
        self._letters = letters

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[Outgoing]:
        letters = [one for one in batch if isinstance(one.message, COMMANDS)]
        jobs = [one for one in batch if not isinstance(one.message, COMMANDS)]
        outgoing = list(await self._jobs(jobs)) if jobs else []
        return [*outgoing, *(await self._letters(letters) if letters else ())]
