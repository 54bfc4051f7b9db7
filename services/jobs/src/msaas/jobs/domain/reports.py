"""Reports of one run of a job by workers, peers and the sweeper: merged, and checked for a loss."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from msaas.contracts import LossReason

DEFAULT_LEASE: Final = timedelta(seconds=10)
"""The lease of a report that names none."""

MAX_LOSSES: Final = 5
"""A job that loses more workers than this has failed."""

MAX_RELEASES: Final = 30
"""A job that is released more often than this without a start has failed: some 90 minutes."""

COUNTED_REASONS: Final = frozenset({LossReason.RECLAIMED, LossReason.LEASE_EXPIRED})
_SEVERITY_ORDER: Final = (
    *(LossReason.RECLAIMED, LossReason.LEASE_EXPIRED),
    *(LossReason.DRAINED, LossReason.STALE),
)


class RunKey(NamedTuple):
    job_id: UUID
    fence: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSuccess:
    """`result` and `network` are JSON text; either `result` or `result_ref` is set."""

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
    """The run has ended; its job runs again when the children have ended, or at `until`."""

    children: tuple[UUID, ...] = ()
    until: datetime | None = None
    finished_at: datetime
    timings_ms: Mapping[str, int]


ProgressFields: TypeAlias = Mapping[str, int | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One message, or all messages of a run merged; `lease` is how long the run counts as alive."""

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
        """Whether it reports no more than that the run goes on."""
        return not self.is_end and self.started_at is None

    @property
    def is_alive(self) -> bool:
        return not self.is_end and self.lease is not None


def fold(reports: Iterable[RunReport]) -> Mapping[RunKey, RunReport]:
    """Merge the reports of each run: neither repeats nor the order of arrival matter."""
    folded: dict[RunKey, RunReport] = {}
    for report in reports:
        known = folded.get(report.run)
        folded[report.run] = report if known is None else merge(known, report)
    return folded


def merge(first: RunReport, later: RunReport) -> RunReport:
    """Keep the first value of each field, except progress, of which the last counts."""
    leases = [report.lease for report in (first, later) if report.lease is not None]
    return RunReport(
        run=first.run,
        worker=first.worker or later.worker,
        started_at=first.started_at or later.started_at,
        lease=max(leases, default=None),
        progress=first.progress if later.progress is None else later.progress,
        success=first.success or later.success,
        failure=first.failure or later.failure,
        wait=first.wait or later.wait,
        losses=first.losses | later.losses,
    )


def find_loss(
    losses: Iterable[RunLoss],
    *,
    started: bool,
    lease_until: datetime | None,
    cancelling: bool,
) -> RunLoss | None:
    """Find the most severe loss that still holds: no later lease or start contradicts it."""
    for loss in sorted(losses, key=lambda loss: _SEVERITY_ORDER.index(loss.reason)):
        match loss.reason:
            case LossReason.LEASE_EXPIRED if _is_renewed(loss, lease_until):
                continue
            case LossReason.STALE if started and not cancelling:
                continue  # the run has begun: only its lease counts
            case _:
                return loss
    return None


def _is_renewed(loss: RunLoss, lease_until: datetime | None) -> bool:
    if loss.lease_until is None or lease_until is None:
        return False
    return lease_until > loss.lease_until
