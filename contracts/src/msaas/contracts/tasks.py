"""The catalogue of work that a user, an agent or a schedule can ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from msaas.contracts.errors import UnknownTask
from msaas.contracts.extraction import (
    CrawlSiteParams,
    CrawlSiteResult,
    ExtractLinksParams,
    ExtractLinksResult,
    ExtractMarkdownParams,
    ExtractMarkdownResult,
    ExtractStructuredParams,
    ExtractStructuredResult,
    NavigateAndExtractTextParams,
    NavigateAndExtractTextResult,
)
from msaas.contracts.message import ValueObject
from msaas.contracts.plans import Plan
from msaas.contracts.rendering import (
    MAX_SCREENSHOTS,
    CaptureScreenshotParams,
    CaptureScreenshotResult,
    RenderPdfParams,
    RenderPdfResult,
    RunStepsParams,
    RunStepsResult,
)
from msaas.contracts.text import NO_NUL

ALL_PLANS = frozenset(Plan)
SecretText = Annotated[
    str,
    Field(
        pattern=NO_NUL,
        max_length=4_096,
        json_schema_extra={"writeOnly": True, "format": "password"},
    ),
]
"""Sealed by the gateway, opened for the worker: nobody between the two can read it."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task type.

    `timeout` ends a run, `valid_for` is an envelope's life from dispatch, `once` forbids a second
    run after one has started, `uploads` are the names a run may upload under.
    """

    task_type: str
    summary: str
    topic: str
    params: type[ValueObject]
    result: type[ValueObject]
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


class EchoParams(ValueObject):
    """`secret` is not echoed: it shows that what is sealed reaches its worker, and nobody else."""

    message: Annotated[str, Field(pattern=NO_NUL, max_length=10_000)]
    delay_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    secret: SecretText | None = None


class EchoResult(ValueObject):
    message: Annotated[str, Field(max_length=10_000)]
    secret_length: Annotated[int, Field(ge=0, le=4_096)] | None = Field(
        default=None, exclude_if=lambda length: length is None
    )


def _browser_task(
    task_type: str,
    summary: str,
    models: tuple[type[ValueObject], type[ValueObject]],
    *uploads: str,
    seconds: int = 60,
    once: bool = False,
) -> Task:
    params, result = models
    return Task(
        task_type=task_type,
        summary=summary,
        topic="jobs.browser",
        params=params,
        result=result,
        flags=("FF_BROWSER_WORKER_ENABLED", f"FF_BROWSER_TASK_{task_type.upper()}_ENABLED"),
        timeout=timedelta(seconds=seconds),
        valid_for=timedelta(seconds=540 + seconds),
        once=once,
        uploads=("result.json", *uploads),
    )


_DECLARED = (
    _browser_task(
        "navigate_and_extract_text",
        "Open a page and return the text of the page or of one element.",
        (NavigateAndExtractTextParams, NavigateAndExtractTextResult),
    ),
    _browser_task(
        "extract_markdown",
        "Open a page and return what it is about as Markdown, with links and tables.",
        (ExtractMarkdownParams, ExtractMarkdownResult),
        "page.md",
    ),
    _browser_task(
        "extract_structured",
        "Open a page and return the fields that selectors name, as numbers, lists, objects.",
        (ExtractStructuredParams, ExtractStructuredResult),
    ),
    _browser_task(
        "extract_links",
        "Open a page and return where it leads to, each address once.",
        (ExtractLinksParams, ExtractLinksResult),
    ),
    _browser_task(
        "capture_screenshot",
        "Open a page and keep a picture of it, of all of it, or of one element.",
        (CaptureScreenshotParams, CaptureScreenshotResult),
        "screenshot.png",
        "screenshot.jpeg",
    ),
    _browser_task(
        "render_pdf",
        "Open a page and keep it as it prints.",
        (RenderPdfParams, RenderPdfResult),
        "page.pdf",
    ),
    _browser_task(
        "run_steps",
        "Open a page and work on it: click, type, wait, read, one step after the other.",
        (RunStepsParams, RunStepsResult),
        "failure.png",
        *(f"screenshot-{number}.png" for number in range(1, MAX_SCREENSHOTS + 1)),
        seconds=120,
        once=True,
    ),
    _browser_task(
        "crawl_site",
        "Read the pages of one site, as far as it allows and the limits reach.",
        (CrawlSiteParams, CrawlSiteResult),
        seconds=300,
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
