"""Reads which jobs a request is about, from the parameters of its query."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query
from fastapi.exceptions import RequestValidationError

from msaas.contracts import JobStatus
from msaas.gateway.application.ports import JobFilter
from msaas.gateway.domain.job_order import JobOrder
from msaas.gateway.domain.search_parser import parse_search
from msaas.gateway.domain.search_terms import Search, SearchError
from msaas.gateway.entrypoints.http.dependencies import Cursor
from msaas.gateway.entrypoints.http.models import Moment

_MAX_CHARACTERS = 4_000  # the parser counts more exactly, and says where the text is too long


def read_search(q: Annotated[str, Query(max_length=_MAX_CHARACTERS)] = "") -> Search:
    try:
        return parse_search(q)
    except SearchError as error:
        raise RequestValidationError(
            [{"type": error.code, "loc": ("query", "q"), "msg": describe(error)}]
        ) from error


def describe(error: SearchError) -> str:
    place = f"From character {error.start} to {error.end}: {error.code.replace('_', ' ')}."
    return f"{place} Allowed: {', '.join(error.allowed)}." if error.allowed else place


def read_job_filter(
    search: Annotated[Search, Depends(read_search)],
    before: Cursor,
    status: JobStatus | None = None,
    task_type: Annotated[str | None, Query(max_length=64)] = None,
    created_after: Moment | None = None,
    *,
    sort: JobOrder = JobOrder.NEWEST,
) -> JobFilter:
    """Every page of a list is evaluated at the moment of the first one."""
    return JobFilter(
        status=status,
        task_type=task_type,
        created_after=created_after,
        search=search,
        order=sort,
        as_of=(before and before.as_of) or datetime.now(UTC),
    )


JobSearch = Annotated[Search, Depends(read_search)]
JobFilterDep = Annotated[JobFilter, Depends(read_job_filter)]
