"""The catalogue of work that a user, an agent or a schedule can ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from msaas.contracts.errors import UnknownTask
from msaas.contracts.jobs import Timings
from msaas.contracts.message import Value
from msaas.contracts.plans import Plan
from msaas.contracts.text import NO_NUL, ForeignText, ForeignUrl, Note

ALL_PLANS = frozenset(Plan)
PageUrl = Annotated[str, Field(pattern=r"^https?://[^\s\x00-\x20\x7f]+$", max_length=2_048)]
SecretText = Annotated[
    str,
    Field(
        pattern=NO_NUL,
        max_length=4_096,
        json_schema_extra={"writeOnly": True, "format": "password"},
    ),
]
"""Sealed by the gateway, opened for the worker: nobody between the two can read it."""

Selector = Annotated[str, Field(pattern=NO_NUL, min_length=1, max_length=500)]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task type.

    `timeout` ends a run, `valid_for` is an envelope's life from dispatch, `once` forbids a second
    run after one has started, `uploads` are the names a run may upload under.
    """

    task_type: str
    summary: str
    topic: str
    params: type[Value]
    result: type[Value]
    flags: tuple[str, ...] = ()
    plans: frozenset[Plan] = ALL_PLANS
    timeout: timedelta
    valid_for: timedelta
    max_attempts: int = 3
    billable: bool = True
    public: bool = True
    once: bool = False
    uploads: tuple[str, ...] = ()

    @cached_property
    def secrets(self) -> frozenset[str]:
        """Name the parameters that are sealed."""
        properties = self.params.model_json_schema()["properties"]
        return frozenset(
            name
            for name, one in properties.items()
            if any(way.get("writeOnly") for way in (one, *one.get("anyOf", ())))
        )


class NavigateAndExtractTextParams(Value):
    """The text of `selector`, or else of the page, once `wait_for_selector` is visible there.

    `timeout_ms` is for all of it together; `wait_until` says when the page counts as open.
    """

    url: PageUrl
    wait_for_selector: Selector | None = None
    selector: Selector | None = None
    timeout_ms: Annotated[int, Field(ge=1, le=60_000)] | None = None
    wait_until: Literal["load", "domcontentloaded", "networkidle", "commit"] | None = None


class NavigateAndExtractTextResult(Value):
    """`url` is what was asked for, `final_url` is where the browser ended up after redirects."""

    url: PageUrl
    final_url: ForeignUrl
    status: Annotated[int, Field(ge=100, le=599)] | None = None
    title: Note | None = None
    text: ForeignText
    truncated: bool = False
    timings: Timings = Field(default_factory=dict[str, int])


class EchoParams(Value):
    """`secret` is not echoed: it shows that what is sealed reaches its worker, and nobody else."""

    message: Annotated[str, Field(pattern=NO_NUL, max_length=10_000)]
    delay_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    secret: SecretText | None = None


class EchoResult(Value):
    message: Annotated[str, Field(max_length=10_000)]
    secret_length: Annotated[int, Field(ge=0, le=4_096)] | None = Field(
        default=None, exclude_if=lambda length: length is None
    )


_DECLARED = (
    Task(
        task_type="navigate_and_extract_text",
        summary="Open a page and return the text of the page or of one element.",
        topic="jobs.browser",
        params=NavigateAndExtractTextParams,
        result=NavigateAndExtractTextResult,
        flags=("FF_BROWSER_WORKER_ENABLED", "FF_BROWSER_TASK_NAVIGATE_AND_EXTRACT_TEXT_ENABLED"),
        timeout=timedelta(seconds=60),
        valid_for=timedelta(minutes=10),
        uploads=("result.json", "screenshot.png"),
    ),
    Task(
        task_type="echo",
        summary="Return a message after a delay: the whole loop without a browser.",
        topic="jobs.generic",
        params=EchoParams,
        result=EchoResult,
        timeout=timedelta(seconds=90),
        valid_for=timedelta(minutes=10),
    ),
)

TASKS: Mapping[str, Task] = MappingProxyType({task.task_type: task for task in _DECLARED})


def get_task(task_type: str) -> Task:
    try:
        return TASKS[task_type]
    except KeyError:
        raise UnknownTask("no such task type") from None
