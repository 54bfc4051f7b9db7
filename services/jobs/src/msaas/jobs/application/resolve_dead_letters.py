"""Closes dead letters, with the reason of whoever does it."""

from typing import Any

from msaas.contracts import ResolveDeadLetters
from msaas.jobs.application.dead_letters_ports import DeadLetterStore
from msaas.jobs.application.replay_dead_letters import describe_error
from msaas.jobs.domain.errors import DeadLetterNotFound
from msaas.telemetry import Metrics, get_logger


class DeadLetterResolver:
    def __init__(self, store: DeadLetterStore, metrics: Metrics) -> None:
        self._store = store
        self._log = get_logger()
        self._resolved = metrics.counter(
            "msaas_dead_letters_resolved_total",
            "Dead letters resolved by an operator.",
            ("topic", "class"),
        )

    async def __call__(self, command: ResolveDeadLetters) -> list[dict[str, Any]]:
        """Leave what is closed as it is: the first reason stands."""
        done = await self._store.resolve(command.letters, command.reason, command.asked_by)
        for labels in done.newly_resolved:
            self._resolved.labels(*labels).inc()
        if done.newly_resolved:
            self._log.info(
                "dead_letters_resolved",
                count=len(done.newly_resolved),
                user_id=str(command.asked_by),
            )
        unknown = describe_error(DeadLetterNotFound())
        return [
            {"id": one, "ok": True, "outcome": "resolved"}
            if one in done.known
            else {"id": one, "ok": False, "problem": unknown}
            for one in dict.fromkeys(command.letters)
        ]
