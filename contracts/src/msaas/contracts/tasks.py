"""The task catalogue: every type of job that a user, an agent or a schedule can submit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from msaas.contracts.agents import (
    ExtractParams,
    ExtractResult,
    MonitorParams,
    MonitorResult,
    ResearchParams,
    ResearchResult,
)
from msaas.contracts.entry import MAX_DATA
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
_ENVELOPE_SIZE = 4 * 1024
_UPLOAD_LINK_SIZE = 2 * 1024
SecretText = Annotated[
    str,
    Field(
        pattern=NO_NUL,
        max_length=4_096,
        json_schema_extra={"writeOnly": True, "format": "password"},
    ),
]
"""Sealed by the gateway and unsealed for the worker; no component between them can read it."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task type.

    `timeout` limits a run, `valid_for` is the lifetime of an envelope after dispatch, `once`
    forbids a second run after one has started, `uploads` are the upload slots of a run.
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

    @property
    def max_payload(self) -> int:
        """Return the bytes of JSON that fit in an envelope beside its other fields."""
        return MAX_DATA - _ENVELOPE_SIZE - len(self.uploads) * _UPLOAD_LINK_SIZE

    @cached_property
    def secrets(self) -> frozenset[str]:
        """Return the names of the parameters that are sealed."""
        properties = self.params.model_json_schema()["properties"]
        return frozenset(
            name
            for name, schema in properties.items()
            if any(option.get("writeOnly") for option in (schema, *schema.get("anyOf", ())))
        )


class EchoParams(ValueObject):
    """`secret` is not echoed; only its length is returned, which shows that it was unsealed."""

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


def _workflow(
    workflow_type: str, summary: str, models: tuple[type[ValueObject], type[ValueObject]]
) -> Task:
    """Declare a workflow; `timeout` limits one run of it between two waits."""
    params, result = models
    return Task(
        task_type=f"workflow.{workflow_type}",
        summary=summary,
        topic="jobs.agents",
        params=params,
        result=result,
        flags=("FF_AGENTS_ENABLED",),
        timeout=timedelta(minutes=5),
        valid_for=timedelta(minutes=14),
        uploads=("result.json",),
    )


_DECLARED = (
    _browser_task(
        "navigate_and_extract_text",
        "Open a page and return the text of the page or of one element.",
        (NavigateAndExtractTextParams, NavigateAndExtractTextResult),
    ),
    _browser_task(
        "extract_markdown",
        "Open a page and return its main content as Markdown, with links and tables.",
        (ExtractMarkdownParams, ExtractMarkdownResult),
        "page.md",
    ),
    _browser_task(
        "extract_structured",
        "Open a page and return fields by selector, as text, numbers, lists or objects.",
        (ExtractStructuredParams, ExtractStructuredResult),
    ),
    _browser_task(
        "extract_links",
        "Open a page and return its links, each address once.",
        (ExtractLinksParams, ExtractLinksResult),
    ),
    _browser_task(
        "capture_screenshot",
        "Open a page and take a screenshot of the viewport, the full page or one element.",
        (CaptureScreenshotParams, CaptureScreenshotResult),
        "screenshot.png",
        "screenshot.jpeg",
    ),
    _browser_task(
        "render_pdf",
        "Open a page and save it as a PDF.",
        (RenderPdfParams, RenderPdfResult),
        "page.pdf",
    ),
    _browser_task(
        "run_steps",
        "Open a page and run steps on it: click, type, wait, extract.",
        (RunStepsParams, RunStepsResult),
        "failure.png",
        *(f"screenshot-{number}.png" for number in range(1, MAX_SCREENSHOTS + 1)),
        seconds=120,
        once=True,
    ),
    _browser_task(
        "crawl_site",
        "Read the pages of one site, within robots.txt and the given limits.",
        (CrawlSiteParams, CrawlSiteResult),
        seconds=300,
    ),
    _workflow(
        "research",
        "Answer a question from pages, with citations that are literally in them.",
        (ResearchParams, ResearchResult),
    ),
    _workflow(
        "extract",
        "Return values that fit a JSON Schema, each with its place on a page.",
        (ExtractParams, ExtractResult),
    ),
    _workflow(
        "monitor",
        "Say what has changed on a page since the last run of the same name.",
        (MonitorParams, MonitorResult),
    ),
    Task(
        task_type="echo",
        summary="Return the given message after a delay, without a browser.",
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
