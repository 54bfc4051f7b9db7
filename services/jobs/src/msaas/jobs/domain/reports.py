"""What workers, peers and the sweeper say of one run of a job."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias
from uuid import UUID

from msaas.contracts import LossReason

LEASE = timedelta(seconds=10)
"""What a sign of life is worth that names no lease of its own."""


class RunKey(NamedTuple):
    job_id: UUID
    fence: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """`result` and `network` are JSON text; either the result or `result_ref` is there."""

    result: str | None = None
    result_ref: str | None = None
    finished_at: datetime
    timings_ms: Mapping[str, int]
    network: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    reason: str
    error: str
    retryable: bool
    finished_at: datetime
    timings_ms: Mapping[str, int]
    network: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    reason: LossReason
    lease_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The run has ended, its job goes on when these have, or at `until`."""

    children: tuple[UUID, ...] = ()
    until: datetime | None = None
    finished_at: datetime
    timings_ms: Mapping[str, int]


Progress: TypeAlias = Mapping[str, int | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One message says one thing; folded, a report holds all that is known of the run.

    `lease` is a sign of life, and for how long it counts.
    """

    run: RunKey
    worker: str | None = None
    started_at: datetime | None = None
    lease: timedelta | None = None
    progress: Progress | None = None
    success: Success | None = None
    failure: Failure | None = None
    wait: Wait | None = None
    losses: frozenset[Loss] = frozenset()

    @property
    def is_end(self) -> bool:
        return bool(self.success or self.failure or self.wait or self.losses)

    @property
    def is_beat(self) -> bool:
        """Whether it says no more than that the run goes on."""
        return not self.is_end and self.started_at is None

    @property
    def is_lively(self) -> bool:
        return not self.is_end and self.lease is not None
