"""Looks for replays whose time has come, and says so; and for how many letters are open."""

from typing import Final
from uuid import UUID

from msaas.contracts import ReplayDeadLetters
from msaas.jobs.application.letters_ports import LetterStore, Pauses
from msaas.jobs.application.results_ports import Publisher
from msaas.kernel import Clock, new_id
from msaas.telemetry import Metrics, get_logger

TOPIC: Final = "jobs.commands"
SAY_AGAIN: Final = 30.0
"""Seconds until a replay is said to be due once more: word of it may have gone with the wire."""


class WatchReplays:
    def __init__(
        self, store: LetterStore, pauses: Pauses, publisher: Publisher, clock: Clock
    ) -> None:
        self._store = store
        self._pauses = pauses
        self._publisher = publisher
        self._clock = clock
        self._log = get_logger()
        self._said: dict[UUID, float] = {}

    async def __call__(self) -> None:
        now = self._clock.monotonic()
        self._said = {id_: at for id_, at in self._said.items() if now - at < SAY_AGAIN}
        paused = await self._pauses.find_paused()
        due = [id_ for id_ in await self._store.list_due(sorted(paused)) if id_ not in self._said]
        if not due:
            return
        word = ReplayDeadLetters(replay_id=new_id(), letters=tuple(due))
        await self._publisher.publish(TOPIC, word, correlation_id=str(word.replay_id))
        self._said |= dict.fromkeys(due, now)
        self._log.info("dead_letters_found_due", count=len(due))


class CountLetters:
    def __init__(self, store: LetterStore, metrics: Metrics) -> None:
        self._store = store
        self._open = metrics.gauge(
            "msaas_dead_letters_open",
            "Dead letters of messages that nobody has replayed or resolved.",
            ("topic", "class"),
        )
        self._shown: set[tuple[str, str]] = set()

    async def __call__(self) -> None:
        present = await self._store.count_open()
        for labels in self._shown | present.keys():
            self._open.labels(*labels).set(present.get(labels, 0))
        self._shown |= present.keys()
