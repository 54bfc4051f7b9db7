"""Many reports become one for each run: duplicates vanish, and the order of arrival with them."""

from collections.abc import Iterable, Mapping

from msaas.jobs.domain.reports import RunKey, RunReport


def fold(reports: Iterable[RunReport]) -> Mapping[RunKey, RunReport]:
    folded: dict[RunKey, RunReport] = {}
    for report in reports:
        known = folded.get(report.run)
        folded[report.run] = report if known is None else merge(known, report)
    return folded


def merge(first: RunReport, later: RunReport) -> RunReport:
    """Keep what came first, except progress: there the last word counts."""
    leases = [one.lease for one in (first, later) if one.lease is not None]
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
