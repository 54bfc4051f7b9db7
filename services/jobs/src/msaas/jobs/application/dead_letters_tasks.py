"""Requests the scheduled replays that are due, and counts the open dead letters."""

from typing import Final
from uuid import UUID

from msaas.contracts import ReplayDeadLetters
from msaas.jobs.application.dead_letters_ports import DeadLetterStore, Pauses
from msaas.jobs.application.ports import Publisher
from msaas.kernel import Clock, new_id
from msaas.telemetry import Metrics, get_logger

TOPIC: Final = "jobs.commands"
REPEAT_AFTER: Final = 30.0
"""Seconds until a replay is requested again: Redis may have lost the first request."""


class DueReplaysTask:
    def __init__(
        self, store: DeadLetterStore, pauses: Pauses, publisher: Publisher, clock: Clock
    ) -> None:
        self._store = store
        self._pauses = pauses
        self._publisher = publisher
        self._clock = clock
        self._log = get_logger()
        self._reported_at: dict[UUID, float] = {}

    async def __call__(self) -> None:
        now = self._clock.monotonic()
        self._reported_at = {
            id_: at for id_, at in self._reported_at.items() if now - at < REPEAT_AFTER
        }
        paused = await self._pauses.find_paused()
        due = [
            id_
            for id_ in await self._store.list_due(sorted(paused))
            if id_ not in self._reported_at
        ]
        if not due:
            return
        command = ReplayDeadLetters(replay_id=new_id(), letters=tuple(due))
        await self._publisher.publish(TOPIC, command, correlation_id=str(command.replay_id))
        self._reported_at |= dict.fromkeys(due, now)
        self._log.info("dead_letter_replays_requested", count=len(due))


class CountDeadLettersTask:
    def __init__(self, store: DeadLetterStore, metrics: Metrics) -> None:
        self._store = store
        self._open = metrics.gauge(
            "msaas_dead_letters_open",
            "Open dead letters of messages.",
            ("topic", "class"),
        )
        self._known_labels: set[tuple[str, str]] = set()

    async def __call__(self) -> None:
        present = await self._store.count_open()
        for labels in self._known_labels | present.keys():
            self._open.labels(*labels).set(present.get(labels, 0))
        self._known_labels |= present.keys()
