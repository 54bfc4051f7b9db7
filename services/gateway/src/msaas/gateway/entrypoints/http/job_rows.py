"""Turns rows of the views into the jobs that clients see."""

from collections.abc import Iterable
from typing import Final

from msaas.contracts import TASKS, JobStatus
from msaas.gateway.application.job_row_streams import EncodedRow
from msaas.gateway.application.ports import Row
from msaas.gateway.domain.queue_estimates import estimate_start
from msaas.gateway.domain.targets import find_target
from msaas.gateway.entrypoints.http.models import Job, JobSummary, to_model

_COSTING: Final = frozenset({JobStatus.PENDING, JobStatus.RUNNING, JobStatus.COMPLETED})


def build_summary(row: Row) -> JobSummary:
    summary: JobSummary = to_model(JobSummary, _add_members(row))
    return summary


def build_job(row: Row) -> Job:
    job: Job = to_model(Job, _add_members(row))
    return job


def encode_rows(rows: Iterable[Row]) -> list[EncodedRow]:
    return [
        EncodedRow(row["id"], row["version"], build_summary(row).model_dump_json().encode())
        for row in rows
    ]


def _add_members(row: Row) -> Row:
    position, task = row["queue_position"], TASKS.get(row["task_type"])
    target = None if task and "url" in task.secrets else find_target(row["url"])
    name = row["api_key_name"]
    return {
        **row,
        "queue": None if position is None else estimate_start(position)._asdict(),
        "target": target and target._asdict(),
        "cost": int(row["billable"] and row["status"] in _COSTING),
        "api_key": None if name is None else {"id": row["api_key_id"], "name": name},
        "timeout_seconds": task and task.timeout.total_seconds(),
    }
