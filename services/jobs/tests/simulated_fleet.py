"""The broker and the workers of random scenarios: plain values, of which anything can be lost."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from msaas.contracts import JobEnvelope, JobStarted, Message, UsageRecorded
from msaas.jobs.application.command_batch import CommandContext


class FakeBroker:
    """The entries of the topics: envelopes, results and commands, each until it is removed."""

    def __init__(self) -> None:
        self.has_capacity = True
        self.count = 0
        self.envelopes: dict[str, JobEnvelope] = {}
        self.results: dict[str, Message] = {}
        self.commands: dict[str, CommandContext] = {}
        self.charges: list[UsageRecorded] = []

    def add(self, queue: dict[str, Any], what: object) -> str:
        self.count += 1
        queue[f"{self.count}-0"] = what
        return f"{self.count}-0"

    def flush(self) -> None:
        for queue in (self.envelopes, self.results, self.commands):
            queue.clear()

    async def ping(self) -> int:
        return self.count

    async def send(
        self, _topic: str, envelope: JobEnvelope, entry_id: str, _trace: str | None = None
    ) -> bool:
        if self.has_capacity:
            self.envelopes[entry_id] = envelope
        return self.has_capacity

    async def report_undeliverable(self, *_: object) -> None:
        raise AssertionError("nothing here is sealed")

    async def withdraw(self, _topic: str, entry_ids: Sequence[str]) -> None:
        for entry_id in entry_ids:
            self.envelopes.pop(entry_id, None)

    async def mark_cancelled(self, *_: object) -> None: ...

    async def find_entries(self, _topic: str, entry_ids: Sequence[str]) -> frozenset[str]:
        return frozenset(entry_ids) & (self.envelopes.keys() | self.results.keys())

    async def publish(
        self, topic: str, message: Any, *, correlation_id: str, **_: object
    ) -> str | None:
        if isinstance(message, UsageRecorded):
            self.charges.append(message)
            return "0-1"
        if topic == "jobs.results":
            return self.add(self.results, message)
        if topic == "jobs.commands":
            command = CommandContext(command=message, correlation_id=correlation_id)
            return self.add(self.commands, command)
        return "0-1"


class SimulatedWorkers:
    """Counts what runs did, outside of the database and of the broker.

    A claim that is lost while the start of its run is unhandled may be taken a second time.
    """

    def __init__(self) -> None:
        self.effects: dict[UUID, set[UUID]] = {}
        self._claims: dict[tuple[UUID, str], UUID] = {}
        self._unprotected: Counter[UUID] = Counter()

    def act(self, envelope: JobEnvelope) -> bool:
        """Return whether this run may act; a redelivered envelope finds that it has acted."""
        if envelope.meta.claim is not None:
            key = (envelope.job_id, envelope.meta.claim)
            if self._claims.setdefault(key, envelope.fence) != envelope.fence:
                return False
        self.effects.setdefault(envelope.job_id, set()).add(envelope.fence)
        return True

    def forget_claims(self, unhandled: Iterable[Message]) -> None:
        """Lose the claims, and with them the protection of runs whose start nobody has read."""
        self._claims.clear()
        self._unprotected.update(
            {message.job_id for message in unhandled if isinstance(message, JobStarted)}
        )

    def check_effects(self, job_id: UUID, allowed: int) -> None:
        """Assert that the runs of a job have acted at most so often."""
        acted = len(self.effects.get(job_id, ()))
        assert acted <= allowed + self._unprotected[job_id], (job_id, acted, allowed)
