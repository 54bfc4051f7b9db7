"""Browser tasks that read a page: its text, Markdown, fields and links."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from msaas.contracts.message import ValueObject
from msaas.contracts.pages import Artifact, PageParams, PageResult, Selector
from msaas.contracts.text import (
    MAX_INT,
    NO_NUL,
    ForeignText,
    ForeignUrl,
    Identifier,
    JsonObject,
    ShortText,
)

Scalar = (
    Annotated[str, Field(pattern=NO_NUL, max_length=1_000)]
    | Annotated[int, Field(ge=-MAX_INT, le=MAX_INT)]
    | Annotated[float, Field(ge=-1e308, le=1e308)]
    | bool
    | None
)
FieldType = Literal["text", "html", "integer", "number", "boolean", "url"]
AttributeName = Annotated[str, Field(pattern=r"^[A-Za-z_:][A-Za-z0-9_.:-]*$", max_length=100)]


class NavigateAndExtractTextParams(PageParams):
    """The text of `selector`, or else of the page, once `wait_for_selector` is visible there."""

    selector: Selector | None = None


class NavigateAndExtractTextResult(PageResult):
    text: ForeignText
    truncated: bool = False


class ExtractMarkdownParams(PageParams):
    """The page's main matter, or what `selector` names, as Markdown with links and tables.

    `whole_page` leaves in what surrounds the matter: navigation, side notes, footers.
    """

    selector: Selector | None = None
    whole_page: bool = False


class ExtractMarkdownResult(PageResult):
    """`markdown` is cut where it is longer than a result may be; the artifact has all of it."""

    markdown: ForeignText
    truncated: bool = False
    artifact: Artifact | None = None


class FieldReading(ValueObject):
    """What to take from an element: its text or an attribute, as which type."""

    attribute: AttributeName | None = None
    type: FieldType = "text"
    default: Scalar = None


class InnerField(FieldReading):
    """What to read inside one element of a list; without a selector, from the element itself."""

    selector: Selector | None = None


class StructuredField(FieldReading):
    """What to read, from the first match of `selector` or, with `many`, from all of them.

    With `fields` each match is an object of its own, whose fields are looked for inside it. A field
    that is not there is its `default`, and an error where none is given.
    """

    selector: Selector
    many: bool = False
    fields: Annotated[dict[Identifier, InnerField], Field(min_length=1, max_length=50)] | None = (
        None
    )

    @model_validator(mode="after")
    def _reads_one_thing(self) -> Self:
        if self.fields and ({"attribute", "type"} & self.model_fields_set):
            raise ValueError("a field with fields of its own has neither attribute nor type")
        return self


class ExtractStructuredParams(PageParams):
    fields: Annotated[dict[Identifier, StructuredField], Field(min_length=1, max_length=50)]


class ExtractStructuredResult(PageResult):
    data: JsonObject


class ExtractLinksParams(PageParams):
    """The links of `selector`, or else of the page; `only` those of the page's own origin, or not.

    The same address counts once, whatever its fragment.
    """

    selector: Selector | None = None
    only: Literal["in_origin", "out_of_origin"] | None = None
    limit: Annotated[int, Field(ge=1, le=5_000)] = 1_000


class Link(ValueObject):
    url: ForeignUrl
    text: Annotated[str, Field(pattern=NO_NUL, max_length=300)]
    in_origin: bool
    nofollow: bool = False


class ExtractLinksResult(PageResult):
    """`total` counts what was found before `limit` cut it."""

    links: tuple[Link, ...]
    total: Annotated[int, Field(ge=0, le=2**31)]
    truncated: bool = False


class CrawlSiteParams(PageParams):
    """The pages of one origin that `url` leads to, by links and by the site's own map.

    What robots.txt forbids is left alone. `timeout_ms` is for the whole crawl; what was read until
    then is kept. With `include` only pages whose path begins with one of these are followed, and
    never one that begins with any of `exclude`.
    """

    timeout_ms: Annotated[int, Field(ge=1, le=240_000)] | None = None
    max_pages: Annotated[int, Field(ge=1, le=100)] = 10
    max_depth: Annotated[int, Field(ge=0, le=10)] = 2
    content: Literal["text", "markdown", "none"] = "text"
    sitemap: bool = True
    include: Annotated[tuple[Selector, ...], Field(max_length=20)] = ()
    exclude: Annotated[tuple[Selector, ...], Field(max_length=20)] = ()


class CrawledPage(ValueObject):
    """`failure_reason` says why there is nothing of a page that was tried."""

    url: ForeignUrl
    depth: Annotated[int, Field(ge=0, le=10)]
    status: Annotated[int, Field(ge=100, le=599)] | None = None
    title: ShortText | None = None
    content: ForeignText | None = None
    truncated: bool = False
    links: Annotated[int, Field(ge=0, le=2**31)] = 0
    failure_reason: Identifier | None = None


class CrawlSiteResult(ValueObject):
    """`stopped` says why no more pages were read; `left` are those known and not tried."""

    url: ForeignUrl
    pages: tuple[CrawledPage, ...]
    stopped: Literal["complete", "max_pages", "timeout", "browser_ended"]
    left: Annotated[int, Field(ge=0, le=2**31)] = 0
    disallowed: Annotated[int, Field(ge=0, le=2**31)] = 0
