"""When a run counts as lost, and whether the loss counts against its job."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from msaas.contracts import LossReason
from msaas.jobs.domain.reports import RunLoss

MAX_LOSSES: Final = 5
"""A job that takes that many workers down with it is not given another."""

COUNTED_REASONS: Final = frozenset({LossReason.RECLAIMED, LossReason.LEASE_EXPIRED})
_SEVERITY_ORDER: Final = (
    *(LossReason.RECLAIMED, LossReason.LEASE_EXPIRED),
    *(LossReason.DRAINED, LossReason.STALE),
)


def find_loss(
    losses: Iterable[RunLoss],
    *,
    started: bool,
    lease_until: datetime | None,
    cancelling: bool,
) -> RunLoss | None:
    """Find the gravest loss that holds against what is known of the run by now."""
    for loss in sorted(losses, key=lambda one: _SEVERITY_ORDER.index(one.reason)):
        match loss.reason:
            case LossReason.LEASE_EXPIRED if _is_renewed(loss, lease_until):
                continue
            case LossReason.STALE if started and not cancelling:
                continue  # it did begin: from then on only its lease tells
            case _:
                return loss
    return None


def _is_renewed(loss: RunLoss, lease_until: datetime | None) -> bool:
    if loss.lease_until is None or lease_until is None:
        return False
    return lease_until > loss.lease_until
