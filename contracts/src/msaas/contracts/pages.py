"""What all browser tasks share: how a page is opened, and what is returned about it."""

from typing import Annotated, Literal

from pydantic import Field

from msaas.contracts.jobs import Timings, UploadSlot
from msaas.contracts.message import ValueObject
from msaas.contracts.text import NO_NUL, ForeignUrl, ShortText

PageUrl = Annotated[str, Field(pattern=r"^https?://[^\s\x00-\x20\x7f]+$", max_length=2_048)]
Selector = Annotated[str, Field(pattern=NO_NUL, min_length=1, max_length=500)]
"""CSS, or XPath if it begins with `//`."""

HeaderName = Literal[
    "accept", "accept-language", "cache-control", "dnt", "referer", "x-requested-with"
]
"""Headers that influence the response and carry no credentials."""

HeaderText = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=500)]
Resource = Literal["font", "image", "media", "script", "stylesheet", "xhr"]
Locale = Annotated[
    str,
    Field(
        pattern=r"^[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?$",
        max_length=35,
    ),
]
TimeoutMs = Annotated[int, Field(ge=1, le=60_000)]


class Viewport(ValueObject):
    width: Annotated[int, Field(ge=100, le=3_840)]
    height: Annotated[int, Field(ge=100, le=2_160)]


class Cookie(ValueObject):
    """Sent to the page's own host unless `domain` names another."""

    name: Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", max_length=200)]
    value: Annotated[str, Field(pattern=r"^[\x20-\x3a\x3c-\x7e]*$", max_length=4_096)]
    domain: Annotated[str, Field(pattern=r"^\.?[A-Za-z0-9.-]+$", max_length=253)] | None = None
    path: Annotated[str, Field(pattern=r"^/[\x21-\x3a\x3c-\x7e]*$", max_length=500)] = "/"


Cookies = Annotated[
    tuple[Cookie, ...],
    Field(max_length=50, json_schema_extra={"writeOnly": True}),
]
"""Sealed as one value, like any other secret parameter."""


class PageParams(ValueObject):
    """How a page is opened.

    `timeout_ms` limits the whole visit. `wait_until` is the event after which the page counts as
    open; `wait_for_selector` must be visible before anything is read. `viewport` overrides that of
    `device`. Without `block_resources` a task that does not need images and fonts does not request
    them.
    """

    url: PageUrl
    wait_for_selector: Selector | None = None
    timeout_ms: TimeoutMs | None = None
    wait_until: Literal["load", "domcontentloaded", "networkidle", "commit"] | None = None
    viewport: Viewport | None = None
    device: Literal["desktop", "tablet", "phone"] | None = None
    locale: Locale | None = None
    timezone: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]*$", max_length=64)] | None = (
        None
    )
    user_agent: Annotated[str, Field(pattern=r"^[\x20-\x7e]+$", max_length=500)] | None = None
    headers: dict[HeaderName, HeaderText] | None = None
    cookies: Cookies | None = None
    block_resources: Annotated[tuple[Resource, ...], Field(max_length=6)] | None = None
    javascript: bool = True


class PageResult(ValueObject):
    """`url` is the requested address, `final_url` the address after redirects."""

    url: PageUrl
    final_url: ForeignUrl
    status: Annotated[int, Field(ge=100, le=599)] | None = None
    title: ShortText | None = None
    timings: Timings = Field(default_factory=dict[str, int])


MAX_ARTIFACT = 20 * 1024 * 1024


class Artifact(ValueObject):
    """A file that a run has produced, with the name under which it can be downloaded."""

    name: UploadSlot
    content_type: Annotated[str, Field(pattern=r"^[a-z]+/[a-z0-9.+-]+$", max_length=100)]
    size: Annotated[int, Field(ge=0, le=2**40)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
