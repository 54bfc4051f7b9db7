"""What workers, peers and the sweeper say of one run of a job."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias
from uuid import UUID

from msaas.contracts import LossReason

DEFAULT_LEASE = timedelta(seconds=10)
"""What a sign of life is worth that names no lease of its own."""


class RunKey(NamedTuple):
    job_id: UUID
    fence: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSuccess:
    """`result` and `network` are JSON text; either the result or `result_ref` is there."""

    result: str | None = None
    result_ref: str | None = None
    finished_at: datetime
    timings_ms: Mapping[str, int]
    network: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailure:
    reason: str
    error: str
    retryable: bool
    finished_at: datetime
    timings_ms: Mapping[str, int]
    network: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLoss:
    reason: LossReason
    lease_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWait:
    """The run has ended, its job goes on when these have, or at `until`."""

    children: tuple[UUID, ...] = ()
    until: datetime | None = None
    finished_at: datetime
    timings_ms: Mapping[str, int]


ProgressFields: TypeAlias = Mapping[str, int | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One message says one thing; folded, a report holds all that is known of the run.

    `lease` is a sign of life, and for how long it counts.
    """

    run: RunKey
    worker: str | None = None
    started_at: datetime | None = None
    lease: timedelta | None = None
    progress: ProgressFields | None = None
    success: RunSuccess | None = None
    failure: RunFailure | None = None
    wait: RunWait | None = None
    losses: frozenset[RunLoss] = frozenset()

    @property
    def is_end(self) -> bool:
        return bool(self.success or self.failure or self.wait or self.losses)

    @property
    def is_heartbeat(self) -> bool:
        """Whether it says no more than that the run goes on."""
        return not self.is_end and self.started_at is None

    @property
    def is_alive(self) -> bool:
        return not self.is_end and self.lease is not None
