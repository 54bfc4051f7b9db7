"""Browser tasks that render a page, and the one that runs steps on it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from msaas.contracts.extraction import AttributeName
from msaas.contracts.jobs import Milliseconds
from msaas.contracts.message import ValueObject
from msaas.contracts.pages import Artifact, PageParams, PageResult, PageUrl, Selector, TimeoutMs
from msaas.contracts.text import NO_NUL, ForeignText, Identifier

MAX_SCREENSHOTS = 5
Pixels = Annotated[int, Field(ge=1, le=20_000)]


class CaptureScreenshotParams(PageParams):
    """Capture the viewport, the full page, or one element; `quality` applies to JPEG."""

    full_page: bool = False
    selector: Selector | None = None
    format: Literal["png", "jpeg"] = "png"
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    hide_background: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.quality is not None and self.format != "jpeg":
            raise ValueError("quality is for jpeg")
        if self.full_page and self.selector is not None:
            raise ValueError("either full_page or selector")
        return self


class CaptureScreenshotResult(PageResult):
    """`truncated` if the page was higher than the largest image."""

    artifact: Artifact
    width: Pixels
    height: Pixels
    truncated: bool = False


class RenderPdfParams(PageParams):
    """Print the page to PDF; `pages` is a list of page ranges (`1-3, 5`)."""

    paper: Literal["A3", "A4", "A5", "Legal", "Letter"] = "A4"
    landscape: bool = False
    backgrounds: bool = True
    scale: Annotated[float, Field(ge=0.1, le=2)] = 1.0
    margin_mm: Annotated[float, Field(ge=0, le=100)] = 10.0
    pages: Annotated[str, Field(pattern=r"^[0-9][0-9 ,-]*$", max_length=100)] | None = None
    media: Literal["print", "screen"] = "print"


class RenderPdfResult(PageResult):
    artifact: Artifact


class Goto(ValueObject):
    do: Literal["goto"]
    url: PageUrl


class Click(ValueObject):
    do: Literal["click"]
    selector: Selector
    double: bool = False


class Fill(ValueObject):
    """Types `text`, or the secret named `secret`, into a field."""

    do: Literal["fill"]
    selector: Selector
    text: Annotated[str, Field(pattern=NO_NUL, max_length=10_000)] | None = None
    secret: Identifier | None = None

    @model_validator(mode="after")
    def _has_one_text(self) -> Self:
        if (self.text is None) == (self.secret is None):
            raise ValueError("either text or secret")
        return self


class Press(ValueObject):
    """Presses a key by its name: `Enter`, `Tab`, `Control+A`."""

    do: Literal["press"]
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9+]+$", max_length=40)]
    selector: Selector | None = None


class Select(ValueObject):
    do: Literal["select"]
    selector: Selector
    values: Annotated[
        tuple[Annotated[str, Field(pattern=NO_NUL, max_length=500)], ...],
        Field(min_length=1, max_length=50),
    ]


class Check(ValueObject):
    do: Literal["check"]
    selector: Selector
    checked: bool = True


class Hover(ValueObject):
    do: Literal["hover"]
    selector: Selector


class Scroll(ValueObject):
    """Scrolls to an element, or to the end of the page."""

    do: Literal["scroll"]
    selector: Selector | None = None


class WaitFor(ValueObject):
    do: Literal["wait_for"]
    selector: Selector
    state: Literal["visible", "hidden", "attached", "detached"] = "visible"


class Pause(ValueObject):
    do: Literal["pause"]
    ms: Annotated[int, Field(ge=1, le=10_000)]


class Extract(ValueObject):
    """Returns the text, or an attribute, of the first match as `extracted[name]`."""

    do: Literal["extract"]
    name: Identifier
    selector: Selector
    attribute: AttributeName | None = None


class Screenshot(ValueObject):
    do: Literal["screenshot"]
    full_page: bool = False


Step = Annotated[
    Goto
    | Click
    | Fill
    | Press
    | Select
    | Check
    | Hover
    | Scroll
    | WaitFor
    | Pause
    | Extract
    | Screenshot,
    Field(discriminator="do"),
]
StepSecrets = Annotated[
    dict[Identifier, Annotated[str, Field(pattern=NO_NUL, max_length=4_096)]],
    Field(max_length=20, json_schema_extra={"writeOnly": True}),
]
"""Sealed as one value; steps refer to secrets by name."""


class RunStepsParams(PageParams):
    """Open `url`, then run the steps in order; `step_timeout_ms` limits each step.

    The first failing step ends the run; the error names it, and a screenshot is kept.
    """

    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=50)]
    secrets: StepSecrets | None = None
    step_timeout_ms: TimeoutMs = 10_000

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        screenshots = sum(isinstance(step, Screenshot) for step in self.steps)
        if screenshots > MAX_SCREENSHOTS:
            raise ValueError(f"at most {MAX_SCREENSHOTS} screenshots")
        return self


class StepDone(ValueObject):
    """`number` counts from 1, like `step_01` in the timings."""

    number: Annotated[int, Field(ge=1, le=50)]
    do: Identifier
    took_ms: Milliseconds


class RunStepsResult(PageResult):
    steps: tuple[StepDone, ...]
    extracted: dict[Identifier, ForeignText]
    artifacts: tuple[Artifact, ...] = ()
