"""Jobs, runs and reports as plain values."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from msaas.contracts import JobStatus, LossReason
from msaas.jobs.domain.job import Job, Run
from msaas.jobs.domain.reports import (
    DEFAULT_LEASE,
    RunFailure,
    RunKey,
    RunLoss,
    RunReport,
    RunSuccess,
    RunWait,
)
from msaas.jobs.domain.settlement import SettlementRules, Transition, decide

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
JOB = UUID(int=1)
PRESENT = UUID(int=10)
NEXT = UUID(int=11)


class JobScenario:
    """One job that was dispatched with the fence `PRESENT`, and reports of its runs."""

    now = NOW
    fence = PRESENT

    def __init__(self) -> None:
        self.job = Job(
            id=JOB,
            user_id=UUID(int=2),
            task_type="echo",
            status=JobStatus.PENDING,
            attempts=0,
            max_attempts=3,
            losses=0,
            run_at=NOW - timedelta(seconds=60),
            deadline_at=None,
            created_at=NOW - timedelta(seconds=60),
            dispatched_at=NOW - timedelta(seconds=30),
            entry_id="1-0",
            fence=PRESENT,
            lease_until=None,
            started_at=None,
            finished_at=None,
            cancel_requested_at=None,
            last_error=None,
            failure_reason=None,
            billable=True,
            usage_period=NOW,
            reserved=True,
        )
        self.runs = {PRESENT: Run(fence=PRESENT)}
        self.once: frozenset[str] = frozenset()

    def apply_reports(self, *reports: RunReport, at: datetime = NOW) -> Transition:
        """Settle one batch, and go on from what it made of the job."""
        rules = SettlementRules(once=self.once, jitter=lambda: 1.0)
        by_fence = {report.run.fence: report for report in reports}
        transition = decide(self.job, self.runs, by_fence, at, rules)
        self.job = transition.after
        self.runs |= {run.fence: run for run in transition.runs}
        return transition

    def report(self, fence: UUID | None = PRESENT, **fields: Any) -> RunReport:
        return RunReport(run=RunKey(JOB, fence or PRESENT), **fields)

    def start(self, fence: UUID | None = PRESENT) -> RunReport:
        return self.report(fence, worker="w", started_at=NOW, lease=DEFAULT_LEASE)

    def heartbeat(self, fence: UUID | None = PRESENT) -> RunReport:
        return self.report(fence, lease=DEFAULT_LEASE)

    def success(self, fence: UUID | None = PRESENT, after: float = 1.0) -> RunReport:
        done = RunSuccess(result="{}", finished_at=NOW + timedelta(seconds=after), timings_ms={})
        return self.report(fence, started_at=NOW, success=done)

    def failure(
        self, fence: UUID | None = PRESENT, *, reason: str = "timeout", retryable: bool = True
    ) -> RunReport:
        failed = RunFailure(
            reason=reason, error="too slow", retryable=retryable, finished_at=NOW, timings_ms={}
        )
        return self.report(fence, started_at=NOW, failure=failed)

    def wait(self, fence: UUID | None = PRESENT, *, until: datetime | None = None) -> RunReport:
        wait = RunWait(children=(UUID(int=77),), until=until, finished_at=NOW, timings_ms={})
        return self.report(fence, started_at=NOW, wait=wait)

    def loss(
        self,
        reason: LossReason,
        fence: UUID | None = PRESENT,
        lease_until: datetime | None = None,
    ) -> RunReport:
        return self.report(
            fence, losses=frozenset({RunLoss(reason=reason, lease_until=lease_until)})
        )

    def dispatch_again(self, fence: UUID = NEXT) -> UUID:
        """Be dispatch: another fence, after the present run was given up."""
        self.job = replace(self.job, fence=fence, dispatched_at=NOW, entry_id="2-0")
        self.runs[fence] = Run(fence=fence)
        return fence
