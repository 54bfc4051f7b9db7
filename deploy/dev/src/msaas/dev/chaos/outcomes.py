"""Compares what clients were told, what the database says, and what the runs did.

- Lost: a job that was acknowledged and is missing or not completed, or completed without an effect.
- Twice: a job that no client requested, or a second effect that the delivery guarantees exclude.
  A normal task may act once more for each loss that was decided about its runs, each time in
  another run. A task that runs once never acts twice; where workers or messages are lost, it may
  instead fail as `lost_worker`. Charges are the business of the audit.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from msaas.contracts import TASKS
from msaas.dev.chaos.clients import SubmissionStats

SELECT_JOBS: Final = """
SELECT
  j.id::text AS id, j.task_type, j.status, j.failure_reason,
  substring(j.payload::text FROM $1 || '[0-9.]+') AS request,
  (SELECT array_agg(a.fence) FROM jobs.job_attempts a WHERE a.job_id = j.id) AS fences,
  greatest(
    j.losses,
    (SELECT count(*) FROM jobs.job_attempts a WHERE a.job_id = j.id AND a.outcome = 'lost')
  ) + EXISTS (
    SELECT FROM jobs.job_attempts a
    WHERE a.job_id = j.id AND a.outcome = 'succeeded' AND a.fence <> j.fence
  )::int AS losses
FROM jobs.jobs j WHERE j.payload::text LIKE '%' || $1 || '%'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """A row, with the runs that were dispatched and how many losses of runs were decided.

    A run that counted as lost and has completed the job all the same counts as a loss.
    """

    id: str
    request: str
    task_type: str
    status: str
    failure_reason: str | None = None
    fences: Sequence[UUID] | None = ()
    losses: int = 0

    @property
    def is_once(self) -> bool:
        return TASKS[self.task_type].once

    @property
    def was_given_up(self) -> bool:
        return self.is_once and (self.status, self.failure_reason) == ("FAILED", "lost_worker")


def find_problems(
    stats: SubmissionStats,
    jobs: Sequence[StoredJob],
    effects: Mapping[str, Counter[UUID]],
    *,
    may_lose_runs: bool,
) -> Iterator[str]:
    """Judge a scenario; where nothing can lose a run, every job completes with one effect."""
    yield from _find_lost_requests(stats, jobs)
    yield from _find_unrequested_jobs(stats, jobs)
    for job in jobs:
        if job.status != "COMPLETED" and not (job.was_given_up and may_lose_runs):
            yield f"job {job.id} is {job.status} ({job.failure_reason})"
    yield from find_wrong_effects(jobs, effects, may_lose_runs=may_lose_runs)


def _find_lost_requests(stats: SubmissionStats, jobs: Sequence[StoredJob]) -> Iterator[str]:
    stored = {job.id for job in jobs}
    for job_id, count in Counter(stats.job_ids.values()).items():
        if job_id not in stored:
            yield f"job {job_id} was acknowledged but is not in the database"
        if count > 1:
            yield f"job {job_id} was acknowledged to {count} submissions"


def _find_unrequested_jobs(stats: SubmissionStats, jobs: Sequence[StoredJob]) -> Iterator[str]:
    """Find jobs of no request; one without a key and with an unknown outcome may have its job."""
    for request, count in Counter(job.request for job in jobs).items():
        if count > 1:
            yield f"request {request} created {count} jobs"
    for job in jobs:
        if job.request in stats.refused:
            yield f"job {job.id} was created although its request was refused"
        elif job.request not in stats.unknown and stats.job_ids.get(job.request) != job.id:
            yield f"job {job.id} was created but not acknowledged"


def find_wrong_effects(
    jobs: Sequence[StoredJob],
    effects: Mapping[str, Counter[UUID]],
    *,
    may_lose_runs: bool = True,
) -> Iterator[str]:
    for job in jobs:
        acted = effects.get(job.id, Counter[UUID]())
        yield from (
            f"job {job.id} {problem}"
            for problem in _check_effects(job, acted, may_lose_runs=may_lose_runs)
        )


def _check_effects(job: StoredJob, acted: Counter[UUID], *, may_lose_runs: bool) -> Iterator[str]:
    if job.status == "COMPLETED" and not acted:
        yield "completed without an effect"
    if unknown := acted.keys() - set(job.fences or ()):
        yield f"acted in {len(unknown)} runs that were never dispatched"
    if acted.total() > len(acted):
        yield f"acted {acted.total()} times in {len(acted)} runs"
    if job.is_once and acted.total() > 1:
        yield f"runs once and acted {acted.total()} times"
    if len(acted) > 1 + (job.losses if may_lose_runs else 0):
        yield f"acted in {len(acted)} runs although {job.losses} were lost"
