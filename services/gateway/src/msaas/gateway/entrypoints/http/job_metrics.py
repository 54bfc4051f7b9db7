"""Counts submitted jobs, and jobs that a quota refused."""

from collections.abc import Generator
from contextlib import contextmanager

from msaas.gateway.application.errors import QuotaExceeded
from msaas.kernel import MsaasError
from msaas.telemetry import Metrics


class JobMetrics:
    def __init__(self, metrics: Metrics) -> None:
        self._submitted = metrics.counter(
            "msaas_jobs_submitted_total", "Jobs accepted.", ("task_type", "plan")
        )
        self._refused = metrics.counter(
            "msaas_quota_rejections_total", "Jobs refused for their period's limit.", ("plan",)
        )

    def count_outcome(self, task_type: str, plan: str, outcome: object) -> None:
        if isinstance(outcome, QuotaExceeded):
            self._refused.labels(plan).inc()
        elif not isinstance(outcome, MsaasError):
            self._submitted.labels(task_type, plan).inc()

    @contextmanager
    def count_submission(self, task_type: str, plan: str) -> Generator[None]:
        try:
            yield
        except QuotaExceeded:
            self._refused.labels(plan).inc()
            raise
        self._submitted.labels(task_type, plan).inc()
